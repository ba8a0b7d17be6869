"""A service of models over HTTP: ``fastgru serve`` (``pip install fastgru[serve]``).

The protocol is that of KServe and Triton, the open inference protocol v2; sessions go over a websocket.
"""
