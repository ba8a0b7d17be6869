# fastgru_stream.h for Cython: `from fastgru.streaming.c_stream cimport fastgru_stream, stream_of`, and what is built of
# it needs `fastgru.get_include()` among its include_dirs.

from cpython.pycapsule cimport PyCapsule_GetPointer

cdef extern from "fastgru_stream.h" nogil:
    ctypedef struct fastgru_stream:
        unsigned version
        unsigned number_bytes
        size_t inputs, outputs, states, scratch, tokens
        int (*step)(const fastgru_stream *stream, void *state, const void *x, void *y, void *scratch) noexcept nogil
        const void *plan
    enum:
        FASTGRU_STREAM_VERSION
    const char *FASTGRU_STREAM_CAPSULE


cdef inline const fastgru_stream *stream_of(object capsule) except NULL:
    """What is in a capsule of `fastgru.streaming.stepper`, which has to be kept as long as this is used."""
    cdef const fastgru_stream *stream = <const fastgru_stream *>PyCapsule_GetPointer(capsule, FASTGRU_STREAM_CAPSULE)
    if stream.version != FASTGRU_STREAM_VERSION:
        raise ImportError(
            f"fastgru_stream.h: compiled with version {FASTGRU_STREAM_VERSION}, and this fastgru has {stream.version}; "
            "compile it again."
        )
    return stream
