/* What a handler of XLA's foreign function interface is handed (openxla.org/xla/custom_call; xla/ffi/api/c_api.h, API
 * versions 0.1 to 0.3), declared here as far as we read it: so JAX calls the kernels inside its compiled programs,
 * without Python and without being there when fastgru is built. Later versions add to the end of a struct; JAX asks for
 * the version when a handler is registered, and refuses one that it cannot call. */
#ifndef FASTGRU_XLA_FFI_H
#define FASTGRU_XLA_FFI_H

#include <stddef.h>
#include <stdint.h>

enum { XLA_API_MAJOR = 0, XLA_API_MINOR = 1, XLA_EXTENSION_METADATA = 1, XLA_INVALID_ARGUMENT = 3 };
enum { XLA_BOOL = 1, XLA_INT64 = 5, XLA_FLOAT32 = 11, XLA_FLOAT64 = 12 };  /* types of numbers */
enum { XLA_ATTRIBUTE_ARRAY = 1 };

typedef struct xla_error xla_error;

typedef struct xla_extension {
    size_t struct_size;
    int type;
    struct xla_extension *next;
} xla_extension;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    int major, minor;
} xla_version;

typedef struct {
    xla_extension base;
    struct {
        size_t struct_size;
        xla_version version;
        uint32_t traits;
    } *metadata;
} xla_metadata_extension;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    const char *message;
    int code;
} xla_error_arguments;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    xla_version version;
    const void *internal;
    xla_error *(*create_error)(xla_error_arguments *arguments);
} xla_api;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    int dtype;
    void *data;
    int64_t rank;
    int64_t *shape;
} xla_buffer;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    int64_t size;
    int *kinds;
    xla_buffer **buffers;
} xla_buffers;

typedef struct {
    int dtype;
    size_t size;
    void *data;
} xla_array;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    int64_t size;
    int *kinds;
    void **names;
    xla_array **arrays;
} xla_attributes;

typedef struct {
    size_t struct_size;
    xla_extension *extensions;
    const xla_api *api;
    void *context;
    int stage;
    xla_buffers arguments, results;
    xla_attributes attributes;
} xla_call;

/* Whether XLA only asks which version of the interface this is. */
static int xla_asks_for_version(xla_call *call)
{
    xla_extension *extension = call->extensions;
    if (!extension || extension->type != XLA_EXTENSION_METADATA) return 0;
    xla_version *version = &((xla_metadata_extension *)extension)->metadata->version;
    version->major = XLA_API_MAJOR;
    version->minor = XLA_API_MINOR;
    return 1;
}

static xla_error *xla_refuse(xla_call *call, const char *message)
{
    xla_error_arguments arguments = {sizeof arguments, NULL, message, XLA_INVALID_ARGUMENT};
    return call->api->create_error(&arguments);
}

/* The only attribute, `count` whole numbers; NULL where it is anything else. */
static const int64_t *xla_options(const xla_call *call, size_t count)
{
    const xla_attributes *all = &call->attributes;
    if (all->size != 1 || all->kinds[0] != XLA_ATTRIBUTE_ARRAY) return NULL;
    const xla_array *array = all->arrays[0];
    return array->dtype == XLA_INT64 && array->size == count ? (const int64_t *)array->data : NULL;
}

static int64_t xla_length(const xla_buffers *buffers, int index, int axis)
{
    const xla_buffer *buffer = buffers->buffers[index];
    return axis < buffer->rank ? buffer->shape[axis] : 0;
}

/* The `count` numbers of a buffer; NULL where it has none, and where it has others `*wrong` is set. */
static void *xla_numbers(const xla_buffers *buffers, int index, int dtype, int64_t count, int *wrong)
{
    const xla_buffer *buffer = buffers->buffers[index];
    int64_t size = 1;
    for (int64_t axis = 0; axis < buffer->rank; axis++) size *= buffer->shape[axis];
    if (size == 0) return NULL;
    if (size != count || buffer->dtype != dtype) *wrong = 1;
    return buffer->data;
}

#endif
