"""What older versions of Keras wrote, in the words of Keras 3."""
