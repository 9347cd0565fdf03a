/* Gradients of convolutions by oneDNN: activations as they lie, weights in the form that it likes best.
 *
 * As in the forward pass, primitives are made for one thread and a fixed number of images, and the threads share the batch. The gradient by
 * the weights is summed in blocks of such runs, and the blocks are added up in order. */
#include "backward_impl.h"
#include "conv_desc.h"

#include <omp.h>

/* One of the two gradients. */
typedef struct pass {
    int lanes;                /* threads that run at the same time */
    uwc_ops__primitive *lane; /* [lanes] for the input, the first owns the weights */
} pass;

struct uwc_backward_conv {
    int64_t images, runs, blocks; /* images of one run of a primitive; runs of the batch; blocks of runs */
    pass by_input, by_weights;
};

/* The arguments of one run, and scratch memory. */
typedef struct call {
    const uwc_backward *b;
    const float *x, *dy;
    float *dx;              /* NULL: not wanted */
    float *spare;           /* for each lane: what is to be added to something */
    float *sums;            /* for each block: the gradient by the weights in oneDNN's form, then by the bias */
    int64_t weights, terms; /* floats of a block's weights and of the whole block */
} call;

static int64_t whole_lines(int64_t floats) {
    return (floats + 15) / 16 * 16;
}

/* ---- primitives ------------------------------------------------------------------------------------------------------------------------
 */

static uwc_status describe(const uwc_backward *b, uwc_ops__conv_desc *c, dnnl_convolution_desc_t *forward) {
    UWC_TRY(uwc_ops__conv_describe(&b->op, b->in, b->out, b->conv->images, c));
    return uwc_ops__dnnl("Conv", "descriptor",
                         dnnl_dilated_convolution_forward_desc_init(forward, dnnl_forward_training, dnnl_convolution_direct, &c->x,
                                                                    &c->weights, &c->bias, &c->y, c->stride.at, c->gap.at, c->before.at,
                                                                    c->after.at));
}

static uwc_status open_by_input(const uwc_backward *b, const pass *p, uwc_ops__primitive *lane) {
    uwc_ops__conv_desc c;
    dnnl_convolution_desc_t forward, desc;
    UWC_TRY(describe(b, &c, &forward));
    UWC_TRY(uwc_ops__dnnl("Conv", "descriptor of the gradient by the input",
                          dnnl_dilated_convolution_backward_data_desc_init(&desc, dnnl_convolution_direct, &c.x, &c.weights, &c.y,
                                                                           c.stride.at, c.gap.at, c.before.at, c.after.at)));
    UWC_TRY(uwc_ops__primitive_open_backward(lane, "Conv", &desc, &forward));
    UWC_TRY(uwc_ops__primitive_add(lane, DNNL_ARG_DIFF_SRC, false));
    UWC_TRY(uwc_ops__primitive_add(lane, DNNL_ARG_DIFF_DST, false));
    return lane == p->lane ? uwc_ops__primitive_add(lane, DNNL_ARG_WEIGHTS, true)
                           : uwc_ops__primitive_borrow(lane, DNNL_ARG_WEIGHTS, p->lane);
}

static uwc_status open_by_weights(const uwc_backward *b, const pass *p, uwc_ops__primitive *lane) {
    static const int argument[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS};
    uwc_ops__conv_desc c;
    dnnl_convolution_desc_t forward, desc;
    (void)p;
    UWC_TRY(describe(b, &c, &forward));
    UWC_TRY(uwc_ops__dnnl("Conv", "descriptor of the gradient by the weights",
                          dnnl_dilated_convolution_backward_weights_desc_init(&desc, dnnl_convolution_direct, &c.x, &c.weights, &c.bias,
                                                                              &c.y, c.stride.at, c.gap.at, c.before.at, c.after.at)));
    UWC_TRY(uwc_ops__primitive_open_backward(lane, "Conv", &desc, &forward));
    for (int i = 0; i < 4; i++) {
        UWC_TRY(uwc_ops__primitive_add(lane, argument[i], false));
    }
    return UWC_OK;
}

static void close_pass(pass *p) {
    for (int i = 0; i < p->lanes; i++) {
        uwc_ops__primitive_close(&p->lane[i]);
    }
    uwc_free(&p->lane);
    p->lanes = 0;
}

/* At the first run: lanes for up to `most` threads. */
static uwc_status open_pass(const uwc_backward *b, int64_t most, pass *p,
                            uwc_status (*open)(const uwc_backward *b, const pass *p, uwc_ops__primitive *lane)) {
    int64_t threads = omp_get_max_threads();
    int lanes = (int)(most < threads ? most : threads);
    if (p->lanes > 0) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(lanes, sizeof *p->lane, &p->lane));
    uwc_status st = UWC_OK;
    threads = uwc_ops__alone_begin();
    while (st == UWC_OK && p->lanes < lanes) {
        st = open(b, p, &p->lane[p->lanes++]);
    }
    uwc_ops__alone_end((int)threads);
    if (st != UWC_OK) {
        close_pass(p);
    }
    return st;
}

static uwc_status prepare(uwc_backward *b) {
    if (b->conv != NULL) {
        return UWC_OK;
    }
    UWC_TRY(uwc_calloc(1, sizeof *b->conv, &b->conv));
    b->conv->images = uwc_ops__conv_images(&b->op, b->in, b->out);
    b->conv->runs = b->out.dim[0] / b->conv->images;
    b->conv->blocks = uwc_backward__blocks(b->conv->runs);
    return UWC_OK;
}

void uwc_backward__conv_close(struct uwc_backward_conv **conv) {
    if (*conv != NULL) {
        close_pass(&(*conv)->by_input);
        close_pass(&(*conv)->by_weights);
    }
    uwc_free(conv);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------------------------
 */

/* Runs on images [first, first + images) of the batch; x or dx, whichever the gradient takes. */
static uwc_status run_once(const call *c, uwc_ops__primitive *lane, int64_t run, int argument, const float *x) {
    int64_t images = c->b->conv->images;
    UWC_TRY(uwc_ops__primitive_bind(lane, argument, x));
    UWC_TRY(uwc_ops__primitive_bind(lane, DNNL_ARG_DIFF_DST, c->dy + run * images * uwc_shape_per_image(c->b->out)));
    return uwc_ops__primitive_execute(lane);
}

/* The lane's share of the runs. */
static uwc_status run_by_input(const call *c, int lane) {
    const struct uwc_backward_conv *own = c->b->conv;
    int64_t step = own->images * uwc_shape_per_image(c->b->in[0]), lanes = own->by_input.lanes;
    for (int64_t run = lane * own->runs / lanes; run < (lane + 1) * own->runs / lanes; run++) {
        float *dx = c->dx + run * step, *to = c->spare != NULL ? c->spare + lane * step : dx;
        UWC_TRY(run_once(c, &own->by_input.lane[lane], run, DNNL_ARG_DIFF_SRC, to));
        if (to != dx) {
            uwc_backward__add(dx, to, step);
        }
    }
    return UWC_OK;
}

/* Sums of the lane's share of the blocks. */
static uwc_status run_by_weights(const call *c, int lane) {
    const struct uwc_backward_conv *own = c->b->conv;
    int64_t step = own->images * uwc_shape_per_image(c->b->in[0]), lanes = own->by_weights.lanes;
    uwc_ops__primitive *primitive = &own->by_weights.lane[lane];
    for (int64_t block = lane * own->blocks / lanes; block < (lane + 1) * own->blocks / lanes; block++) {
        int64_t first = uwc_backward__block_first(own->runs, own->blocks, block);
        int64_t end = uwc_backward__block_first(own->runs, own->blocks, block + 1);
        for (int64_t run = first; run < end; run++) {
            float *to = run == first ? c->sums + block * c->terms : c->spare + lane * c->terms;
            UWC_TRY(uwc_ops__primitive_bind(primitive, DNNL_ARG_DIFF_WEIGHTS, to));
            UWC_TRY(uwc_ops__primitive_bind(primitive, DNNL_ARG_DIFF_BIAS, to + c->weights));
            UWC_TRY(run_once(c, primitive, run, DNNL_ARG_SRC, c->x + run * step));
            if (run > first) {
                uwc_backward__add(c->sums + block * c->terms, to, c->terms);
            }
        }
    }
    return UWC_OK;
}

static uwc_status run_lanes(const call *c, int lanes, uwc_status (*run)(const call *c, int lane)) {
    int worst = UWC_OK;
#pragma omp parallel for schedule(static) reduction(max : worst) if (lanes > 1)
    for (int lane = 0; lane < lanes; lane++) {
        int threads = uwc_ops__alone_begin(), st = (int)run(c, lane);
        uwc_ops__alone_end(threads);
        worst = st > worst ? st : worst;
    }
    /* The text of the error stayed with its thread. */
    UWC_CHECK(worst == UWC_OK, (uwc_status)worst, "Conv: oneDNN execution of a gradient");
    return UWC_OK;
}

static uwc_status by_input(uwc_backward *b, call *c, const uwc_tensor *weights, bool adds) {
    pass *p = &b->conv->by_input;
    dnnl_memory_desc_t stored;
    UWC_TRY(open_pass(b, b->conv->runs, p, open_by_input));
    UWC_TRY(uwc_ops__conv_describe_weights(&b->op, b->in[1], true, &stored));
    UWC_TRY(uwc_ops__primitive_fill(p->lane, DNNL_ARG_WEIGHTS, &stored, weights->f32));
    if (adds) {
        UWC_TRY(uwc_backward__scratch(b, p->lanes * b->conv->images * uwc_shape_per_image(b->in[0]), &c->spare));
    }
    return run_lanes(c, p->lanes, run_by_input);
}

static uwc_status by_weights(uwc_backward *b, call *c, uwc_tensor *dw, uwc_tensor *db, const uwc_backward_call *all) {
    pass *p = &b->conv->by_weights;
    dnnl_memory_desc_t stored;
    UWC_TRY(open_pass(b, b->conv->blocks, p, open_by_weights));
    UWC_TRY(uwc_ops__conv_describe_weights(&b->op, b->in[1], true, &stored));
    c->weights = whole_lines(uwc_ops__primitive_floats(p->lane, DNNL_ARG_DIFF_WEIGHTS));
    c->terms = c->weights + whole_lines(b->out.dim[1]);
    UWC_TRY(uwc_backward__scratch(b, (b->conv->blocks + p->lanes) * c->terms, &c->sums));
    c->spare = c->sums + b->conv->blocks * c->terms;
    UWC_TRY(run_lanes(c, p->lanes, run_by_weights));
    uwc_backward__reduce(c->sums, b->conv->blocks, c->terms);
    if (dw != NULL) {
        bool adds = uwc_backward__adds(all, 1);
        UWC_TRY(uwc_ops__primitive_bind(p->lane, DNNL_ARG_DIFF_WEIGHTS, c->sums));
        UWC_TRY(uwc_ops__primitive_drain(p->lane, DNNL_ARG_DIFF_WEIGHTS, &stored, adds ? c->spare : dw->f32));
        if (adds) {
            uwc_backward__store(c->spare, dw, true);
        }
    }
    if (db != NULL) {
        uwc_backward__store(c->sums + c->weights, db, uwc_backward__adds(all, 2));
    }
    return UWC_OK;
}

uwc_status uwc_backward__conv(uwc_backward *b, const uwc_backward_call *all) {
    uwc_tensor *dx = uwc_backward__grad(b, all, 0), *dw = uwc_backward__grad(b, all, 1), *db = uwc_backward__grad(b, all, 2);
    call c = {.b = b, .x = all->in[0]->f32, .dy = all->grad_out->f32, .dx = dx == NULL ? NULL : dx->f32};
    UWC_TRY(prepare(b));
    if (dx != NULL) {
        UWC_TRY(by_input(b, &c, all->in[1], uwc_backward__adds(all, 0)));
    }
    if (dw == NULL && db == NULL) {
        return UWC_OK;
    }
    return uwc_backward__is_large_depthwise(b) ? uwc_backward__large_depthwise(b, all) : by_weights(b, &c, dw, db, all);
}
