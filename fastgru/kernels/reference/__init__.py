"""The numpy twins of the compiled kernels: the same equations, step by step, to read and to test against."""
