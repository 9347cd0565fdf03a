#include "bench.h"
#include "layers.h"

#include <uwc/backward.h>

#include <string.h>

/* Gradients of convolutions against the forward pass and a matrix product of the same minute.
 *     bench_backward [seconds per row [images]]
 * Columns: GFLOP/s of the forward pass, with its ratio to sgemm at a large square; then of the gradients by the input and by weights and
 * bias, each with its ratio to the square and to the forward pass; the time of uwc_kernel_set_weights as a part of the forward pass. */

enum { SQUARE = 512 };

typedef struct job {
    uwc_kernel *kernel;
    uwc_backward *backward;
    uwc_tensor *x, *weights, *bias, *y, *dx, *dw, *db, *dy;
    double flops;
} job;

static uwc_status run_forward(void *self) {
    job *own = self;
    return uwc_kernel_run(own->kernel, &(const uwc_tensor *){own->x}, own->y);
}

static uwc_status set_weights(void *self) {
    job *own = self;
    return uwc_kernel_set_weights(own->kernel, own->weights, own->bias);
}

static uwc_status run_backward(job *own, uwc_tensor *dx, uwc_tensor *dw, uwc_tensor *db) {
    return uwc_backward_run(own->backward, (const uwc_tensor *[]){own->x, own->weights, own->bias}, own->y, own->dy,
                            (uwc_tensor *[]){dx, dw, db}, NULL);
}

static uwc_status by_input(void *self) {
    return run_backward(self, ((job *)self)->dx, NULL, NULL);
}

static uwc_status by_weights(void *self) {
    return run_backward(self, NULL, ((job *)self)->dw, ((job *)self)->db);
}

static uwc_status open_tensors(const uwc_shape *in, uwc_shape out, job *own) {
    uwc_tensor **constant[] = {&own->weights, &own->bias, &own->dw, &own->db};
    UWC_TRY(uwc_tensor_activation(in[0], &own->x));
    UWC_TRY(uwc_tensor_activation(in[0], &own->dx));
    UWC_TRY(uwc_tensor_activation(out, &own->y));
    UWC_TRY(uwc_tensor_activation(out, &own->dy));
    for (int i = 0; i < 4; i++) {
        UWC_TRY(uwc_tensor_create(UWC_F32, in[1 + i % 2], UWC_PLAIN, constant[i]));
    }
    bench_fill(own->x, 1);
    bench_fill(own->weights, 2);
    bench_fill(own->dy, 3);
    return UWC_OK;
}

static uwc_status open_job(const bench_layer *l, int64_t images, job *own) {
    uwc_op op;
    uwc_shape in[3], out;
    UWC_TRY(bench_describe(l, images, &op, in, &out));
    own->flops = 2 * (double)images * (double)uwc_op_multiply_adds(&op, in, out);
    UWC_TRY(open_tensors(in, out, own));
    UWC_TRY(uwc_backward_create(&op, in, 3, out, &own->backward));
    return uwc_kernel_create(&op, in, (const uwc_tensor *[]){NULL, own->weights, own->bias}, 3, out, UWC_BACKEND_FAST, &own->kernel);
}

static void close_job(job *own) {
    uwc_kernel_destroy(&own->kernel);
    uwc_backward_destroy(&own->backward);
    for (uwc_tensor **tensor = &own->x; tensor <= &own->dy; tensor++) {
        uwc_tensor_destroy(tensor);
    }
}

/* What one network's layers sum up to: seconds per image of the forward pass and of the two gradients. */
typedef struct total {
    double seconds[3];
} total;

static uwc_status bench_row(const bench_layer *l, int64_t images, double seconds, bench_product *square, total *sum) {
    job own = {.kernel = NULL};
    uwc_status st;
    UWC_TRY_GOTO(st, open_job(l, images, &own), done);
    bench_runner runner[] = {{run_forward, &own, .rounds = 0},
                             {by_input, &own, .rounds = 0},
                             {by_weights, &own, .rounds = 0},
                             {bench_product_onednn, square, .rounds = 0},
                             {bench_product_openblas, square, .rounds = 0},
                             {set_weights, &own, .rounds = 0}};
    UWC_TRY_GOTO(st, bench_race(runner, 6, seconds), done);
    bench_print(l);
    for (int i = 0; i < 3; i++) {
        static const char *const name[] = {"forward", "by input", "by weights"};
        printf("  %s %5.1f square: %.2f", name[i], own.flops / runner[i].best * 1e-9,
               bench_part(&runner[i], own.flops, &runner[3], bench_product_flops(square)));
        if (i > 0) {
            printf(" forward: %.2f", bench_ratio(&runner[0], &runner[i]));
        }
        sum->seconds[i] += l->times / (double)images * runner[0].best * bench_ratio(&runner[i], &runner[0]);
    }
    printf("  setting weights %.2f\n", bench_ratio(&runner[5], &runner[0]));
done:
    close_job(&own);
    return st;
}

static uwc_status bench_all(int64_t images, double seconds, bench_product *square) {
    total sum = {{0}};
    for (int i = 0; i < BENCH_LAYERS; i++) {
        const bench_layer *l = &bench_layers[i];
        UWC_TRY(bench_row(l, bench_images(l, images), seconds, square, &sum));
        if (i + 1 == BENCH_LAYERS || strcmp(l->network, l[1].network) != 0) {
            printf("%s, ms per image: forward %.3f, by input %.3f, by weights %.3f; of the speed forward: by input %.2f, by weights %.2f\n",
                   l->network, sum.seconds[0] * 1e3, sum.seconds[1] * 1e3, sum.seconds[2] * 1e3, sum.seconds[0] / sum.seconds[1],
                   sum.seconds[0] / sum.seconds[2]);
            sum = (total){{0}};
        }
    }
    return UWC_OK;
}

int main(int argc, char **argv) {
    double seconds = 0.5;
    int64_t images = 16;
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
