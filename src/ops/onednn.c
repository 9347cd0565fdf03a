#include "onednn.h"

#include <assert.h>
#include <omp.h>

uwc_status uwc_ops__dnnl(const char *name, const char *call, dnnl_status_t status) {
    uwc_status own = status == dnnl_out_of_memory ? UWC_E_NOMEM : status == dnnl_unimplemented ? UWC_E_UNSUPPORTED : UWC_E_LIBRARY;
    UWC_CHECK(status == dnnl_success, own, "%s: oneDNN %s gives status %d", name, call, (int)status);
    return UWC_OK;
}

uwc_status uwc_ops__describe(const char *name, uwc_shape shape, dnnl_format_tag_t tag, dnnl_memory_desc_t *desc) {
    dnnl_dims_t dims = {0};
    for (int i = 0; i < shape.rank; i++) {
        dims[i] = shape.dim[i];
    }
    return uwc_ops__dnnl(name, "memory descriptor", dnnl_memory_desc_init_by_tag(desc, shape.rank, dims, dnnl_f32, tag));
}

uwc_ops__pair uwc_ops__pair_of(int64_t h, int64_t w) {
    return (uwc_ops__pair){{h, w}};
}

/* The attribute holds a copy. */
static uwc_status add_behind(const char *name, dnnl_primitive_attr_t attributes, const dnnl_memory_desc_t *added) {
    dnnl_post_ops_t steps;
    UWC_TRY(uwc_ops__dnnl(name, "post-operations", dnnl_post_ops_create(&steps)));
    uwc_status st = uwc_ops__dnnl(name, "addition", dnnl_post_ops_append_binary(steps, dnnl_binary_add, added));
    if (st == UWC_OK) {
        st = uwc_ops__dnnl(name, "post-operations", dnnl_primitive_attr_set_post_ops(attributes, steps));
    }
    dnnl_post_ops_destroy(steps);
    return st;
}

static uwc_status make_primitive(uwc_ops__primitive *own, const_dnnl_op_desc_t desc, const_dnnl_primitive_desc_t hint,
                                 const dnnl_memory_desc_t *added) {
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t made = NULL;
    UWC_TRY(uwc_ops__dnnl(own->name, "attributes", dnnl_primitive_attr_create(&attributes)));
    uwc_status st =
        uwc_ops__dnnl(own->name, "scratchpad mode", dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user));
    if (st == UWC_OK && added != NULL) {
        st = add_behind(own->name, attributes, added);
    }
    if (st == UWC_OK) {
        st = uwc_ops__dnnl(own->name, "primitive descriptor", dnnl_primitive_desc_create(&made, desc, attributes, own->engine, hint));
    }
    if (st == UWC_OK) {
        st = uwc_ops__dnnl(own->name, "primitive", dnnl_primitive_create(&own->primitive, made));
    }
    dnnl_primitive_desc_destroy(made);
    dnnl_primitive_attr_destroy(attributes);
    return st;
}

static uwc_status open_engine(uwc_ops__primitive *own, const char *name) {
    own->name = name;
    UWC_TRY(uwc_ops__dnnl(name, "engine", dnnl_engine_create(&own->engine, dnnl_cpu, 0)));
    return uwc_ops__dnnl(name, "stream", dnnl_stream_create(&own->stream, own->engine, dnnl_stream_default_flags));
}

uwc_status uwc_ops__primitive_open(uwc_ops__primitive *own, const char *name, const_dnnl_op_desc_t desc, const dnnl_memory_desc_t *added) {
    UWC_TRY(open_engine(own, name));
    UWC_TRY(make_primitive(own, desc, NULL, added));
    return uwc_ops__primitive_add(own, DNNL_ARG_SCRATCHPAD, true);
}

uwc_status uwc_ops__primitive_open_backward(uwc_ops__primitive *own, const char *name, const_dnnl_op_desc_t desc,
                                            const_dnnl_op_desc_t forward) {
    dnnl_primitive_desc_t hint = NULL;
    UWC_TRY(open_engine(own, name));
    UWC_TRY(uwc_ops__dnnl(name, "forward descriptor", dnnl_primitive_desc_create(&hint, forward, NULL, own->engine, NULL)));
    uwc_status st = make_primitive(own, desc, hint, NULL);
    dnnl_primitive_desc_destroy(hint);
    UWC_TRY(st);
    return uwc_ops__primitive_add(own, DNNL_ARG_SCRATCHPAD, true);
}

/* A new argument with its memory over `data`, or with zeroed memory of its own. */
static uwc_status add(uwc_ops__primitive *own, int argument, bool owns_memory, void *data) {
    const_dnnl_primitive_desc_t made;
    UWC_CHECK(own->n_args < UWC_OPS__ARGUMENTS, UWC_E_INTERNAL, "%s: more than %d arguments", own->name, UWC_OPS__ARGUMENTS);
    UWC_TRY(uwc_ops__dnnl(own->name, "primitive query", dnnl_primitive_get_primitive_desc(own->primitive, &made)));
    const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(made, dnnl_query_exec_arg_md, argument);
    UWC_CHECK(desc != NULL, UWC_E_LIBRARY, "%s: oneDNN does not know argument %d", own->name, argument);
    int slot = own->n_args++;
    if (owns_memory) {
        UWC_TRY(uwc_calloc((int64_t)dnnl_memory_desc_get_size(desc), 1, &own->owned[slot]));
    }
    own->arg[slot].arg = argument;
    return uwc_ops__dnnl(own->name, "memory",
                         dnnl_memory_create(&own->arg[slot].memory, desc, own->engine, owns_memory ? own->owned[slot] : data));
}

uwc_status uwc_ops__primitive_add(uwc_ops__primitive *own, int argument, bool owns_memory) {
    return add(own, argument, owns_memory, NULL);
}

static int slot_of(const uwc_ops__primitive *own, int argument) {
    int slot = 0;
    while (slot < own->n_args && own->arg[slot].arg != argument) {
        slot++;
    }
    assert(slot < own->n_args);
    return slot;
}

static dnnl_memory_t find(const uwc_ops__primitive *own, int argument) {
    return own->arg[slot_of(own, argument)].memory;
}

uwc_status uwc_ops__primitive_borrow(uwc_ops__primitive *own, int argument, const uwc_ops__primitive *owner) {
    void *data;
    UWC_TRY(uwc_ops__dnnl(own->name, "memory query", dnnl_memory_get_data_handle(find(owner, argument), &data)));
    return add(own, argument, false, data);
}

/* From memory outside that lies as `outside` says into the slot's argument, or with `out` back. */
static uwc_status open_reorder(const uwc_ops__primitive *own, int slot, const dnnl_memory_desc_t *outside, bool out,
                               uwc_ops__reorder *reorder) {
    const dnnl_memory_desc_t *inside;
    dnnl_primitive_desc_t made = NULL;
    UWC_TRY(uwc_ops__dnnl(own->name, "memory", dnnl_memory_create(&reorder->outside, outside, own->engine, DNNL_MEMORY_NONE)));
    UWC_TRY(uwc_ops__dnnl(own->name, "memory query", dnnl_memory_get_memory_desc(own->arg[slot].memory, &inside)));
    UWC_TRY(uwc_ops__dnnl(
        own->name, "reorder descriptor",
        dnnl_reorder_primitive_desc_create(&made, out ? inside : outside, own->engine, out ? outside : inside, own->engine, NULL)));
    uwc_status st = uwc_ops__dnnl(own->name, "reorder", dnnl_primitive_create(&reorder->primitive, made));
    dnnl_primitive_desc_destroy(made);
    return st;
}

static void close_reorder(uwc_ops__reorder *reorder) {
    dnnl_primitive_destroy(reorder->primitive);
    dnnl_memory_destroy(reorder->outside);
    *reorder = (uwc_ops__reorder){.primitive = NULL};
}

static uwc_status run_reorder(uwc_ops__primitive *own, int slot, const dnnl_memory_desc_t *outside, bool out, const float *data) {
    uwc_ops__reorder *reorder = &own->reorder[slot];
    if (reorder->primitive == NULL) {
        close_reorder(reorder);
        UWC_TRY(open_reorder(own, slot, outside, out, reorder));
    }
    dnnl_memory_t inside = own->arg[slot].memory;
    dnnl_exec_arg_t arg[] = {{DNNL_ARG_FROM, out ? inside : reorder->outside}, {DNNL_ARG_TO, out ? reorder->outside : inside}};
    UWC_TRY(uwc_ops__dnnl(own->name, "memory", dnnl_memory_set_data_handle(reorder->outside, (void *)(uintptr_t)data)));
    UWC_TRY(uwc_ops__dnnl(own->name, "reorder", dnnl_primitive_execute(reorder->primitive, own->stream, 2, arg)));
    return uwc_ops__dnnl(own->name, "wait", dnnl_stream_wait(own->stream));
}

uwc_status uwc_ops__primitive_fill(uwc_ops__primitive *own, int argument, const dnnl_memory_desc_t *desc, const float *data) {
    return run_reorder(own, slot_of(own, argument), desc, false, data);
}

uwc_status uwc_ops__primitive_drain(uwc_ops__primitive *own, int argument, const dnnl_memory_desc_t *desc, float *data) {
    return run_reorder(own, slot_of(own, argument), desc, true, data);
}

int64_t uwc_ops__primitive_floats(const uwc_ops__primitive *own, int argument) {
    const dnnl_memory_desc_t *desc = NULL;
    dnnl_memory_get_memory_desc(find(own, argument), &desc);
    return (int64_t)(dnnl_memory_desc_get_size(desc) / sizeof(float));
}

uwc_status uwc_ops__primitive_bind(uwc_ops__primitive *own, int argument, const float *data) {
    return uwc_ops__dnnl(own->name, "argument", dnnl_memory_set_data_handle(find(own, argument), (void *)(uintptr_t)data));
}

uwc_status uwc_ops__primitive_execute(uwc_ops__primitive *own) {
    UWC_TRY(uwc_ops__dnnl(own->name, "execution", dnnl_primitive_execute(own->primitive, own->stream, own->n_args, own->arg)));
    return uwc_ops__dnnl(own->name, "wait", dnnl_stream_wait(own->stream));
}

uwc_status uwc_ops__primitive_run(uwc_ops__primitive *own, const float *x, float *y) {
    UWC_TRY(uwc_ops__primitive_bind(own, DNNL_ARG_SRC, x));
    UWC_TRY(uwc_ops__primitive_bind(own, DNNL_ARG_DST, y));
    return uwc_ops__primitive_execute(own);
}

void uwc_ops__primitive_close(uwc_ops__primitive *own) {
    for (int i = 0; i < UWC_OPS__ARGUMENTS; i++) {
        dnnl_memory_destroy(own->arg[i].memory);
        uwc_free(&own->owned[i]);
        close_reorder(&own->reorder[i]);
    }
    dnnl_primitive_destroy(own->primitive);
    dnnl_stream_destroy(own->stream);
    dnnl_engine_destroy(own->engine);
    *own = (uwc_ops__primitive){.name = NULL};
}

/* oneDNN's only tie to threads is the OpenMP setting of the calling task. */
int uwc_ops__alone_begin(void) {
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    return before;
}

void uwc_ops__alone_end(int before) {
    omp_set_num_threads(before);
}
