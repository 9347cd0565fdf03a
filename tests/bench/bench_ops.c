#include <stdlib.h>
#include <string.h>

#include <uwc/ops.h>

/* Convolution kernels against the machine's own matrix product, and a whole ResNet-20 body.
 *     bench_ops [threads [images]]
 * One row per layer: GFLOP/s (best of many runs) and the ratio to a large single-threaded sgemm of the same minute, times the threads. */

typedef struct layer {
    const char *name;
    int64_t inputs, outputs, size, kernel, stride, group;
} layer;

static const layer layers[] = {
    {"resnet20 first", 3, 16, 32, 3, 1, 1},
    {"resnet20 16", 16, 16, 32, 3, 1, 1},
    {"resnet20 16-32", 16, 32, 32, 3, 2, 1},
    {"resnet20 32", 32, 32, 16, 3, 1, 1},
    {"resnet20 32-64", 32, 64, 16, 3, 2, 1},
    {"resnet20 64", 64, 64, 8, 3, 1, 1},
    {"resnet20 shortcut", 16, 32, 32, 1, 2, 1},
    {"resnet18 first", 3, 64, 224, 7, 2, 1},
    {"resnet18 64", 64, 64, 56, 3, 1, 1},
    {"resnet18 256", 256, 256, 14, 3, 1, 1},
    {"mobilenet first", 3, 32, 224, 3, 2, 1},
    {"mobilenet depthwise", 96, 96, 112, 3, 2, 96},
    {"mobilenet depthwise", 144, 144, 56, 3, 1, 144},
    {"mobilenet depthwise", 576, 576, 14, 3, 1, 576},
    {"mobilenet expand", 24, 144, 56, 1, 1, 1},
    {"mobilenet project", 144, 24, 56, 1, 1, 1},
    {"mobilenet expand", 96, 576, 14, 1, 1, 1},
    {"mobilenet last", 320, 1280, 7, 1, 1, 1},
    {"resnext grouped", 128, 128, 56, 3, 1, 32},
};

enum { BODY = 19, ROUNDS = 5 };

typedef struct step {
    uwc_kernel *conv, *relu;
    uwc_tensor *out;
} step;

static uwc_status describe(const layer *l, int64_t images, uwc_op *op, uwc_shape *in, uwc_shape *out) {
    *op = uwc_op_make(UWC_OP_CONV);
    op->group = l->group;
    op->stride[0] = op->stride[1] = l->stride;
    for (int i = 0; i < 4; i++) {
        op->pad[i] = l->kernel / 2;
    }
    in[0] = uwc_shape_4d(1, l->inputs, l->size, l->size);
    in[1] = uwc_shape_4d(l->outputs, l->inputs / l->group, l->kernel, l->kernel);
    in[2] = uwc_shape_1d(l->outputs);
    UWC_TRY(uwc_op_infer(op, in, 3, out));
    in[0] = uwc_shape_batch(in[0], images);
    *out = uwc_shape_batch(*out, images);
    return UWC_OK;
}

static uwc_status make_conv(const layer *l, int64_t images, uwc_kernel **conv, uwc_shape *in, uwc_shape *out, double *flops) {
    uwc_op op;
    uwc_shape shape[3];
    uwc_tensor *weights = NULL, *bias = NULL;
    UWC_TRY(describe(l, images, &op, shape, out));
    uwc_status st = uwc_tensor_create(UWC_F32, shape[1], UWC_PLAIN, &weights);
    UWC_TRY_GOTO(st, st, done);
    UWC_TRY_GOTO(st, uwc_tensor_create(UWC_F32, shape[2], UWC_PLAIN, &bias), done);
    for (int64_t i = 0; i < uwc_shape_count(shape[1]); i++) {
        weights->f32[i] = (float)uwc_rng_normal(1, 0, (uint64_t)i);
    }
    *flops = 2 * (double)images * (double)uwc_op_multiply_adds(&op, shape, *out);
    *in = shape[0];
    UWC_TRY_GOTO(st, uwc_kernel_create(&op, shape, (const uwc_tensor *[]){NULL, weights, bias}, 3, *out, UWC_BACKEND_FAST, conv), done);
done:
    uwc_tensor_destroy(&weights);
    uwc_tensor_destroy(&bias);
    return st;
}

static uwc_status time_kernel(uwc_kernel *kernel, const uwc_tensor *x, uwc_tensor *y, double *seconds) {
    double start = uwc_now();
    *seconds = 1e9;
    do {
        double begin = uwc_now();
        UWC_TRY(uwc_kernel_run(kernel, &x, y));
        double taken = uwc_now() - begin;
        *seconds = taken < *seconds ? taken : *seconds;
    } while (uwc_now() - start < 0.2);
    return UWC_OK;
}

static uwc_status bench_layer(const layer *l, int64_t images, double peak) {
    uwc_kernel *kernel = NULL;
    uwc_tensor *x = NULL, *y = NULL;
    uwc_shape in, out;
    double flops, seconds;
    uwc_status st = make_conv(l, images, &kernel, &in, &out, &flops);
    UWC_TRY_GOTO(st, st, done);
    UWC_TRY_GOTO(st, uwc_tensor_activation(in, &x), done);
    UWC_TRY_GOTO(st, uwc_tensor_activation(out, &y), done);
    UWC_TRY_GOTO(st, time_kernel(kernel, x, y, &seconds), done);
    printf("%-20s %4lld -> %4lld  %3lldx%-3lld k%lld s%lld g%-3lld  %9.1f us  %7.1f GFLOP/s  %5.2f\n", l->name, (long long)l->inputs,
           (long long)l->outputs, (long long)l->size, (long long)l->size, (long long)l->kernel, (long long)l->stride, (long long)l->group,
           seconds * 1e6, flops / seconds * 1e-9, flops / seconds / peak);
done:
    uwc_kernel_destroy(&kernel);
    uwc_tensor_destroy(&x);
    uwc_tensor_destroy(&y);
    return st;
}

/* FLOP/s of one thread's large sgemm. */
static uwc_status bench_sgemm(double *peak) {
    enum { N = 512 };
    uwc_tensor *a;
    UWC_TRY(uwc_tensor_create(UWC_F32, uwc_shape_2d(3 * N, N), UWC_PLAIN, &a));
    uwc_status st = UWC_OK;
    *peak = 0;
    for (int i = 0; i < 100 && st == UWC_OK; i++) {
        double begin = uwc_now();
        st = uwc_sgemm(false, false, N, N, N, a->f32, N, a->f32 + N * N, N, 0, a->f32 + 2 * N * N, N);
        double rate = 2.0 * N * N * N / (uwc_now() - begin);
        *peak = rate > *peak ? rate : *peak;
    }
    uwc_tensor_destroy(&a);
    return st;
}

static layer body_layer(int index) {
    static const int stage_of[] = {0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2};
    int stage = stage_of[index], before = index > 0 ? stage_of[index - 1] : 0;
    layer made = {"body", 16 << before, 16 << stage, 32 >> before, 3, before == stage ? 1 : 2, 1};
    made.inputs = index == 0 ? 3 : made.inputs;
    return made;
}

static uwc_status make_step(int index, int64_t images, step *own, uwc_shape *in) {
    layer l = body_layer(index);
    uwc_op relu = uwc_op_make(UWC_OP_RELU);
    const uwc_tensor *none = NULL;
    uwc_shape out;
    double flops;
    UWC_TRY(make_conv(&l, images, &own->conv, in, &out, &flops));
    UWC_TRY(uwc_kernel_create(&relu, &out, &none, 1, out, UWC_BACKEND_FAST, &own->relu));
    return uwc_tensor_activation(out, &own->out);
}

static uwc_status run_body(step *own, const uwc_tensor *x, bool with_relu) {
    for (int i = 0; i < BODY; i++) {
        const uwc_tensor *in = i == 0 ? x : own[i - 1].out;
        UWC_TRY(uwc_kernel_run(own[i].conv, &in, own[i].out));
        if (with_relu) {
            UWC_TRY(uwc_kernel_run(own[i].relu, &(const uwc_tensor *){own[i].out}, own[i].out));
        }
    }
    return UWC_OK;
}

/* The convolutions of ResNet-20 in a row, each with its Relu in place: what a forward pass costs without the adds. */
static uwc_status bench_body(int64_t images) {
    step own[BODY] = {{NULL, NULL, NULL}};
    uwc_tensor *x = NULL;
    uwc_shape in = {0}, first = {0};
    uwc_status st = UWC_OK;
    for (int i = 0; i < BODY; i++) {
        UWC_TRY_GOTO(st, make_step(i, images, &own[i], &in), done);
        first = i == 0 ? in : first;
    }
    UWC_TRY_GOTO(st, uwc_tensor_activation(first, &x), done);
    for (int64_t i = 0; i < uwc_shape_count(first); i++) {
        x->f32[i] = (float)uwc_rng_normal(2, 0, (uint64_t)i);
    }
    for (int with_relu = 0; with_relu < 2; with_relu++) {
        double best = 1e9;
        for (int i = 0; i < 4 * ROUNDS; i++) {
            double begin = uwc_now();
            UWC_TRY_GOTO(st, run_body(own, x, with_relu == 1), done);
            best = uwc_now() - begin < best ? uwc_now() - begin : best;
        }
        printf("resnet20 body%s, %lld images: %.2f ms, %.1f us per image\n", with_relu == 1 ? " with relu" : "", (long long)images,
               best * 1e3, best / (double)images * 1e6);
    }
done:
    for (int i = 0; i < BODY; i++) {
        uwc_kernel_destroy(&own[i].conv);
        uwc_kernel_destroy(&own[i].relu);
        uwc_tensor_destroy(&own[i].out);
    }
    uwc_tensor_destroy(&x);
    return st;
}

static uwc_status bench_all(int threads, int64_t images) {
    double peak;
    uwc_ops_set_threads(threads);
    UWC_TRY(bench_sgemm(&peak));
    printf("%s, %d threads, %lld images; sgemm of one thread: %.1f GFLOP/s\n", uwc_ops_isa(), threads, (long long)images, peak * 1e-9);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        int64_t batch = layers[i].size > 64 ? 4 : images;
        UWC_TRY(bench_layer(&layers[i], batch, peak * threads));
    }
    return bench_body(images);
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1, images = argc > 2 ? atoi(argv[2]) : 32;
    if (threads < 1 || images < 1) {
        fprintf(stderr, "usage: bench_ops [threads [images]]\n");
        return 2;
    }
    uwc_status st = bench_all(threads, images);
    if (st != UWC_OK) {
        fprintf(stderr, "%s\n", uwc_error_last()->text);
    }
    return uwc_status_exit(st);
}
