#include "bench.h"
#include "layers.h"

#include <oneapi/dnnl/dnnl.h>

#include <string.h>

/* Convolution kernels against oneDNN itself, which may choose how images and weights lie, and against a matrix product of the same minute.
 *     bench_conv [seconds per row [images]]
 * Columns: the kernel's time and GFLOP/s, the ratio to sgemm at a large square, the time of the bare primitive with the formats of its own
 * choice on all images at once, and how much of its speed the kernel reaches. */

enum { SQUARE = 512, ARGUMENTS = 5 };

/* A bare primitive. */
typedef struct bare {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t arg[ARGUMENTS];
    void *memory[ARGUMENTS];
} bare;

static uwc_status check(dnnl_status_t status, const char *call) {
    UWC_CHECK(status == dnnl_success, UWC_E_LIBRARY, "oneDNN %s gives status %d", call, (int)status);
    return UWC_OK;
}

static uwc_status any_format(uwc_shape shape, int64_t groups, dnnl_memory_desc_t *desc) {
    dnnl_dims_t dims = {groups};
    int grouped = groups > 1;
    for (int i = 0; i < shape.rank; i++) {
        dims[i + grouped] = shape.dim[i];
    }
    dims[grouped] /= groups;
    return check(dnnl_memory_desc_init_by_tag(desc, shape.rank + grouped, dims, dnnl_f32, dnnl_format_tag_any), "memory descriptor");
}

static uwc_status make_primitive(bare *own, const uwc_op *op, const uwc_shape *in, uwc_shape out, dnnl_primitive_desc_t *made) {
    dnnl_memory_desc_t x, w, b, y;
    dnnl_convolution_desc_t desc;
    UWC_TRY(any_format(in[0], 1, &x));
    UWC_TRY(any_format(in[1], op->group, &w));
    UWC_TRY(any_format(in[2], 1, &b));
    UWC_TRY(any_format(out, 1, &y));
    const dnnl_dims_t stride = {op->stride[0], op->stride[1]}, gap = {0, 0}, before = {op->pad[0], op->pad[1]},
                      after = {op->pad[2], op->pad[3]};
    UWC_TRY(check(dnnl_dilated_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &x, &w, &b, &y, stride,
                                                             gap, before, after),
                  "descriptor"));
    UWC_TRY(check(dnnl_primitive_desc_create(made, &desc, NULL, own->engine, NULL), "primitive descriptor"));
    return check(dnnl_primitive_create(&own->primitive, *made), "primitive");
}

static uwc_status open_bare(const uwc_op *op, const uwc_shape *in, uwc_shape out, bare *own) {
    static const int argument[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST};
    dnnl_primitive_desc_t made = NULL;
    uwc_status st;
    UWC_TRY(check(dnnl_engine_create(&own->engine, dnnl_cpu, 0), "engine"));
    UWC_TRY(check(dnnl_stream_create(&own->stream, own->engine, dnnl_stream_default_flags), "stream"));
    UWC_TRY_GOTO(st, make_primitive(own, op, in, out, &made), done);
    for (int i = 0; i < 4; i++) {
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(made, dnnl_query_exec_arg_md, argument[i]);
        int64_t bytes = (int64_t)dnnl_memory_desc_get_size(desc);
        UWC_TRY_GOTO(st, uwc_calloc(bytes, 1, &own->memory[i]), done);
        for (int64_t k = 0; k < bytes / 4; k++) {
            ((float *)own->memory[i])[k] = 0.001f * (float)(k % 1000) - 0.5f;
        }
        own->arg[i].arg = argument[i];
        UWC_TRY_GOTO(st, check(dnnl_memory_create(&own->arg[i].memory, desc, own->engine, own->memory[i]), "memory"), done);
    }
done:
    dnnl_primitive_desc_destroy(made);
    return st;
}

static uwc_status run_bare(void *self) {
    bare *own = self;
    UWC_TRY(check(dnnl_primitive_execute(own->primitive, own->stream, 4, own->arg), "execution"));
    return check(dnnl_stream_wait(own->stream), "wait");
}

static void close_bare(bare *own) {
    for (int i = 0; i < ARGUMENTS; i++) {
        dnnl_memory_destroy(own->arg[i].memory);
        uwc_free(&own->memory[i]);
    }
    dnnl_primitive_destroy(own->primitive);
    dnnl_stream_destroy(own->stream);
    dnnl_engine_destroy(own->engine);
}

typedef struct job {
    uwc_kernel *kernel;
    uwc_tensor *x, *weights, *bias, *y;
    bare bare;
    double flops;
} job;

static uwc_status run_kernel(void *self) {
    job *own = self;
    return uwc_kernel_run(own->kernel, &(const uwc_tensor *){own->x}, own->y);
}

static uwc_status open_job(const bench_layer *l, int64_t images, job *own) {
    uwc_op op;
    uwc_shape in[3], out;
    UWC_TRY(bench_describe(l, images, &op, in, &out));
    own->flops = 2 * (double)images * (double)uwc_op_multiply_adds(&op, in, out);
    UWC_TRY(uwc_tensor_activation(in[0], &own->x));
    UWC_TRY(uwc_tensor_activation(out, &own->y));
    UWC_TRY(uwc_tensor_create(UWC_F32, in[1], UWC_PLAIN, &own->weights));
    UWC_TRY(uwc_tensor_create(UWC_F32, in[2], UWC_PLAIN, &own->bias));
    bench_fill(own->x, 1);
    bench_fill(own->weights, 2);
    UWC_TRY(open_bare(&op, in, out, &own->bare));
    return uwc_kernel_create(&op, in, (const uwc_tensor *[]){NULL, own->weights, own->bias}, 3, out, UWC_BACKEND_FAST, &own->kernel);
}

static void close_job(job *own) {
    uwc_kernel_destroy(&own->kernel);
    uwc_tensor_destroy(&own->x);
    uwc_tensor_destroy(&own->weights);
    uwc_tensor_destroy(&own->bias);
    uwc_tensor_destroy(&own->y);
    close_bare(&own->bare);
}

/* What one network's layers sum up to: operations, and these divided by how much of a speed is reached. */
typedef struct total {
    double flops, by_square, by_primitive, seconds;
} total;

static uwc_status bench_row(const bench_layer *l, int64_t images, double seconds, bench_product *square, total *sum) {
    job own = {.kernel = NULL};
    uwc_status st;
    UWC_TRY_GOTO(st, open_job(l, images, &own), done);
    bench_runner runner[] = {{run_kernel, &own, .rounds = 0},
                             {run_bare, &own.bare, .rounds = 0},
                             {bench_product_onednn, square, .rounds = 0},
                             {bench_product_openblas, square, .rounds = 0}};
    UWC_TRY_GOTO(st, bench_race(runner, 4, seconds), done);
    double part = bench_part(&runner[0], own.flops, &runner[2], bench_product_flops(square));
    double reached = bench_ratio(&runner[1], &runner[0]);
    bench_print(l);
    printf("  %9.1f us  %6.1f GFLOP/s  square: %.2f  primitive %9.1f us: %.2f\n", runner[0].best * 1e6, own.flops / runner[0].best * 1e-9,
           part, runner[1].best * 1e6, reached);
    double weight = l->times / (double)images;
    sum->flops += weight * own.flops;
    sum->by_square += weight * own.flops / part;
    sum->seconds += weight * runner[0].best;
    sum->by_primitive += weight * runner[0].best * reached;
done:
    close_job(&own);
    return st;
}

static uwc_status bench_all(int64_t images, double seconds, bench_product *square) {
    total sum = {0};
    for (int i = 0; i < BENCH_LAYERS; i++) {
        const bench_layer *l = &bench_layers[i];
        UWC_TRY(bench_row(l, bench_images(l, images), seconds, square, &sum));
        if (i + 1 == BENCH_LAYERS || strcmp(l->network, l[1].network) != 0) {
            printf("%s, all convolutions by their time: %.2f of the square, %.2f of the primitives\n", l->network,
                   sum.flops / sum.by_square, sum.by_primitive / sum.seconds);
            sum = (total){0};
        }
    }
    return UWC_OK;
}

int main(int argc, char **argv) {
    double seconds = 0.5;
    int64_t images = 4;
    bench_product square = {.m = 0};
    if (!bench_arguments(argc, argv, &seconds, &images)) {
        return 2;
    }
    uwc_status st = bench_product_open(SQUARE, SQUARE, SQUARE, &square);
    if (st == UWC_OK) {
        st = bench_all(images, seconds, &square);
    }
    bench_product_close(&square);
    return bench_exit(st);
}
