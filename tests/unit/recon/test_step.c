#include "recon_fixture.h"

#include "recon_impl.h"

/* The step of an activation, against the search over the numbers that should be in its sample. */

/* The quantizer that is chosen for value `name` of a unit. */
static uwc_quantizer chosen(const uwc_graph *unit, const char *name, uint64_t seed, field *images) {
    const uwc_recon_options options = default_options();
    const int value = uwc_graph_find_value(unit, name);
    uwc_stream stream = stream_of(images);
    uwc_paths paths;
    must(uwc_recon__paths_open(unit, &options, &stream, &paths));
    must(uwc_recon__choose_quantizer(&paths, value, seed));
    uwc_quantizer out = paths.quantized->value[value].quantizer;
    uwc_recon__paths_close(&paths);
    return out;
}

/* Numbers of the quantized path for value `name`: of all images, or of those that share * 16 leave, evenly spread over each shard. */
static uwc_quantizer searched(const uwc_graph *unit, const char *name, int bits, const field *images, int64_t share) {
    uwc_tensor *all = evaluate(unit, uwc_graph_find_value(unit, name), images->quantized[0], UWC_BACKEND_FAST);
    const int64_t per_image = uwc_shape_per_image(all->shape);
    int64_t n = 0;
    uwc_quantizer out;
    float *x;
    must(uwc_calloc(uwc_shape_count(all->shape), sizeof *x, &x));
    for (int shard = 0; shard < UWC_SHARDS; shard++) {
        int64_t first, count;
        uwc_shard_range(images->images, shard, &first, &count);
        const int64_t taken = count < share ? count : share;
        for (int64_t i = 0; i < taken; i++, n++) {
            memcpy(x + n * per_image, all->f32 + (first + i * (count / taken)) * per_image, (size_t)per_image * sizeof *x);
        }
    }
    must(uwc_quantizer_search(bits, x, n * per_image, &out));
    uwc_free(&x);
    uwc_tensor_destroy(&all);
    return out;
}

static void assert_same(uwc_quantizer a, uwc_quantizer b) {
    assert_int_equal(a.bits, b.bits);
    assert_int_equal(a.zero, b.zero);
    assert_true(a.scale == b.scale);
}

/* Small values enter the sample whole: the inputs, and what a layer makes of them, of at most 128 images. */
static void small_values_are_sampled_whole(void **state) {
    (void)state;
    static const int64_t count[] = {1, 5, 16, 40, 200};
    static const int bits[] = {2, 8, 6, 3, 4};
    for (size_t k = 0; k < sizeof count / sizeof count[0]; k++) {
        uwc_graph *unit = with_bits(residual_unit(), 4, bits[k]);
        field images = new_field(unit, count[k], 7, 0.05);
        assert_same(chosen(unit, "x", 1, &images), searched(unit, "x", bits[k], &images, 8));
        assert_same(chosen(unit, "ra", 1, &images), searched(unit, "ra", bits[k], &images, 8));
        free_field(&images);
        uwc_graph_destroy(&unit);
    }
}

static uwc_graph *large_unit(void) {
    uwc_graph *graph = new_graph();
    int x = put_input(graph, "x", uwc_shape_4d(1, 5, 30, 31));
    return with_bits(finished_unit(graph, put_conv(graph, "c", x, (conv_form){5, 3, 1, .pad = 0})), 4, 4);
}

/* Of large ones 2,048 numbers of every image are as good as all. */
static void large_values_are_sampled(void **state) {
    (void)state;
    uwc_graph *unit = large_unit();
    field images = new_field(unit, 20, 3, 0.05);
    const uwc_quantizer wanted = searched(unit, "x", 4, &images, 8), got = chosen(unit, "x", 1, &images);
    assert_true(fabs((double)got.scale / (double)wanted.scale - 1) < 0.03);
    assert_true(got.zero == wanted.zero);
    assert_same(got, chosen(unit, "x", 1, &images));
    int others = 0;
    for (uint64_t seed = 2; seed < 5; seed++) {
        others += chosen(unit, "x", seed, &images).scale != got.scale;
    }
    assert_true(others > 0); /* the seed chooses the places */
    free_field(&images);
    uwc_graph_destroy(&unit);
}

/* The float path plays no part, and images that are not looked at do not either. */
static void only_the_quantized_path_of_some_images_matters(void **state) {
    (void)state;
    uwc_graph *unit = with_bits(residual_unit(), 4, 4);
    field images = new_field(unit, 400, 7, 0.05);
    const uwc_quantizer wanted = chosen(unit, "ra", 1, &images);
    const int64_t per_image = uwc_shape_per_image(images.real[0]->shape);
    for (int64_t i = 0; i < 400; i++) {
        for (int64_t k = 0; k < per_image; k++) {
            images.real[0]->f32[i * per_image + k] = NAN;
            images.quantized[0]->f32[i * per_image + k] *= i % 25 % 3 == 0 && i % 25 < 24 ? 1 : NAN; /* 8 of the 25 images of a shard */
        }
    }
    assert_same(chosen(unit, "ra", 1, &images), wanted);
    free_field(&images);
    uwc_graph_destroy(&unit);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_sampled_whole),
        cmocka_unit_test(large_values_are_sampled),
        cmocka_unit_test(only_the_quantized_path_of_some_images_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
