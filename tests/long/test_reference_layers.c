#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <uwc/recon.h>
#include <uwc/store.h>

/* The layer solver on the statistics under $UWC_ASSETS/reference/layers: the objective that lies beside them is reached to 0.1 %, or
 * better. */

static void must(uwc_status st) {
    if (st != UWC_OK) {
        fail_msg("%s", uwc_error_last()->text);
    }
}

/* The values of a dataset (the archive hands them out as float32); *count how many. */
static double *read_doubles(const uwc_archive *file, const char *name, int64_t *count) {
    uwc_tensor *tensor;
    double *out;
    must(uwc_archive_get_tensor(file, name, UWC_F32, &tensor));
    *count = uwc_shape_count(tensor->shape);
    must(uwc_calloc(*count, sizeof *out, &out));
    for (int64_t i = 0; i < *count; i++) {
        out[i] = (double)tensor->f32[i];
    }
    uwc_tensor_destroy(&tensor);
    return out;
}

static double read_scalar(const uwc_archive *file, const char *name) {
    int64_t count;
    double *value = read_doubles(file, name, &count), out = value[0];
    assert_int_equal(count, 1);
    uwc_free(&value);
    return out;
}

/* sum over rows of mean (v p - y)^2, v = [weights, bias]. */
static double objective(const uwc_layer_statistics *s, const double *square, const uwc_weights *weights, const double *bias) {
    const int64_t order = s->n + 1;
    double *v, sum = 0;
    must(uwc_calloc(order, sizeof *v, &v));
    for (int64_t r = 0; r < s->rows; r++) {
        for (int64_t i = 0; i < s->n; i++) {
            v[i] = (double)weights->scale[r] * (weights->q[r * s->n + i] - weights->zero[r]);
        }
        v[s->n] = bias[r];
        sum += square[r];
        for (int64_t i = 0; i < order; i++) {
            for (int64_t j = 0; j < order; j++) {
                sum += v[i] * s->A[i * order + j] * v[j];
            }
            sum -= 2 * v[i] * s->Y[r * order + i];
        }
    }
    uwc_free(&v);
    return sum;
}

static void solve_file(const char *name) {
    const char *assets = getenv("UWC_ASSETS");
    char *path;
    uwc_archive *file;
    int64_t a, y, w, rows;
    must(uwc_format(&path, "%s/reference/layers/%s", assets == NULL ? "../shared" : assets, name));
    must(uwc_archive_open(path, &file));
    double *A = read_doubles(file, "/A", &a), *Y = read_doubles(file, "/Y", &y), *W0 = read_doubles(file, "/W0", &w);
    double *square = read_doubles(file, "/mean_y2", &rows);
    uwc_layer_statistics s = {.rows = rows, .n = y / rows - 1, .A = A, .Y = Y, .W0 = W0};
    assert_true(a == (s.n + 1) * (s.n + 1) && w == y);
    uwc_weights *weights;
    double *bias;
    must(uwc_weights_create((int)read_scalar(file, "/bits"), rows, s.n, &weights));
    must(uwc_calloc(rows, sizeof *bias, &bias));
    must(uwc_recon_layer(&s, &(uwc_layer_options){.ridge = 0.01, .damp = 0.01}, weights, bias));
    double got = objective(&s, square, weights, bias), wanted = read_scalar(file, "/objective");
    print_message("%s: objective %.6f, reference %.6f\n", name, got, wanted);
    assert_true(got <= 1.001 * wanted);
    uwc_weights_destroy(&weights);
    uwc_free(&bias);
    uwc_free(&A);
    uwc_free(&Y);
    uwc_free(&W0);
    uwc_free(&square);
    uwc_free(&path);
    uwc_archive_close(&file);
}

static void reference_objectives_are_reached(void **state) {
    (void)state;
    static const char *const name[] = {"layer_0_w8.h5", "layer_1_w4.h5", "layer_2_w3.h5", "layer_3_w2.h5", "layer_4_w3.h5"};
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++) {
        solve_file(name[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_objectives_are_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
