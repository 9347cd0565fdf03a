/* store: arrays on disk and in memory images (HDF5), the activation cache, and data sets of images with their preprocessing.
 * Floor 2; uses tensor. HDF5 (serial driver), libjpeg-turbo and libpng live only here.
 */
#ifndef UWC_STORE_H
#define UWC_STORE_H

#include <uwc/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- archive: named arrays and attributes in one HDF5 file or one file image in memory --------------------------------------- */

typedef struct uwc_archive uwc_archive;

/* A new archive in memory; publish it or take its image, after which it can only be read. The bytes depend on the contents and the order
 * in which they were put (no times, no paths). Local. */
uwc_status uwc_archive_create(uwc_archive **out) UWC_MUST_USE;
/* For reading. Errors: NOTFOUND, IO, FORMAT (truncated or no HDF5), each naming the path. Local. */
uwc_status uwc_archive_open(const char *path, uwc_archive **out) UWC_MUST_USE;
/* For reading from a file image, which must outlive the archive. `name` is used in messages. Local. */
uwc_status uwc_archive_open_image(const char *name, const void *image, size_t bytes, uwc_archive **out) UWC_MUST_USE;
void uwc_archive_close(uwc_archive **archive);
/* Writes a created archive to `path` whole (see uwc_file_publish). Local. */
uwc_status uwc_archive_publish(uwc_archive *archive, const char *path) UWC_MUST_USE;
/* *out = the file image of a created archive, owned by the caller. Local. */
uwc_status uwc_archive_image(uwc_archive *archive, char **out, size_t *bytes) UWC_MUST_USE;

/* Dataset at `path` ("/layers/0/q"; groups are made). Local. */
uwc_status uwc_archive_put(uwc_archive *archive, const char *path, uwc_dtype dtype, uwc_shape shape, const void *data) UWC_MUST_USE;
uwc_status uwc_archive_put_string(uwc_archive *archive, const char *path, const char *text) UWC_MUST_USE;
bool uwc_archive_has(const uwc_archive *archive, const char *path);
/* Shape and stored type of a dataset. Errors: FORMAT (absent). Local. */
uwc_status uwc_archive_shape(const uwc_archive *archive, const char *path, uwc_dtype *dtype, uwc_shape *shape) UWC_MUST_USE;
/* Rows [first, first+count) of the leading dimension, converted to `dtype`, into out. Errors: FORMAT, SHAPE. Local. */
uwc_status uwc_archive_get(const uwc_archive *archive, const char *path, uwc_dtype dtype, int64_t first, int64_t count,
                           void *out) UWC_MUST_USE;
/* Whole dataset as a plain tensor, owned by the caller. Local. */
uwc_status uwc_archive_get_tensor(const uwc_archive *archive, const char *path, uwc_dtype dtype, uwc_tensor **out) UWC_MUST_USE;
uwc_status uwc_archive_get_string(const uwc_archive *archive, const char *path, char **out) UWC_MUST_USE;

/* ---- cache: activations at unit boundaries, one file per (boundary, shard) ----------------------------------------------------- */

typedef struct uwc_cache uwc_cache;

/* Files are folder/<key>_sSS.h5 ("f012" float, "q012" quantized boundary 12). `dtype`: of the files that are written, F32 or F16 (rounded
 * to nearest, ties to even); both are read. The folder is made. Local. */
uwc_status uwc_cache_open(const char *folder, uwc_dtype dtype, uwc_cache **out) UWC_MUST_USE;
void uwc_cache_close(uwc_cache **cache);
/* What is not in the cache's own folder is read from this one: activations that several caches share. Local. */
uwc_status uwc_cache_read_below(uwc_cache *cache, const char *folder) UWC_MUST_USE;
bool uwc_cache_has(const uwc_cache *cache, const char *key, int shard);
/* Writer of one shard: images arrive in order as float32, then publish. Layout in the file is that in memory. Errors of append: VALUE
 * (beyond float16). Local. */
typedef struct uwc_cache_writer uwc_cache_writer;
uwc_status uwc_cache_writer_open(uwc_cache *cache, const char *key, int shard, uwc_shape per_image, int64_t images,
                                 uwc_cache_writer **out) UWC_MUST_USE;
uwc_status uwc_cache_writer_append(uwc_cache_writer *writer, const uwc_tensor *images) UWC_MUST_USE;
/* Publishes and frees the writer, also on failure; an incomplete shard is an error. Local. */
uwc_status uwc_cache_writer_publish(uwc_cache_writer **writer) UWC_MUST_USE;
/* Drops the writer and its temporary file; NULL inside is fine. Local. */
void uwc_cache_writer_drop(uwc_cache_writer **writer);
/* Images [first, first+out->shape.dim[0]) of the shard into `out` (an activation). Files stay open (at most a few) until close. Local. */
uwc_status uwc_cache_read(uwc_cache *cache, const char *key, int shard, int64_t first, uwc_tensor *out) UWC_MUST_USE;
/* The file image of one shard, piece by piece: *out = its bytes from `from` on, at most `most`, owned by the caller; *left: how many there
 * are behind them. Local. */
uwc_status uwc_cache_piece(uwc_cache *cache, const char *key, int shard, int64_t from, size_t most, char **out, size_t *bytes,
                           int64_t *left) UWC_MUST_USE;
/* And back into a cache folder, in order; the last piece (`left` 0) publishes what the pieces make, if it is a shard. Pieces of several
 * senders of the same shard are kept apart. Errors: FORMAT. Local. */
uwc_status uwc_cache_store_piece(uwc_cache *cache, const char *key, int shard, int sender, int64_t from, const void *piece, size_t bytes,
                                 int64_t left) UWC_MUST_USE;

/* ---- data sets ------------------------------------------------------------------------------------------------------------------ */

/* Order of work: decode, resize the short side, centre crop (or letterbox in place of both), colour order, scale, mean, std. */
typedef struct uwc_preprocess {
    int64_t resize;    /* short side in pixels; 0: not */
    int64_t crop;      /* square side; 0: not */
    int64_t letterbox; /* the long side becomes this, and the image lies in the upper left corner of such a square; 0: not */
    int64_t pad;       /* pixel value (0..255, as stored) of what a letterboxed image does not cover */
    bool bgr;          /* network wants blue first */
    double scale;      /* value = (pixel * scale - mean) / std, per channel in the order the network sees */
    double mean[3], std[3];
} uwc_preprocess;

/* Which images of a set are used. */
typedef struct uwc_choice {
    int64_t samples;    /* > 0: the first so many of those that are not left out */
    const int64_t *bad; /* [n_bad] numbers of images that are left out, ascending; borrowed */
    int64_t n_bad;
} uwc_choice;

typedef struct uwc_dataset uwc_dataset;

/* HDF5 (/images uint8 [N,C,H,W] or float32, /labels), a folder of JPEG/PNG (labels.txt with "file label" lines, or class sub-folders), or
 * .npy (uint8 or float32 [N,C,H,W]). `choice`: NULL for all images. A file that was packed with the steps that `preprocess` asks for (or
 * where it asks for none) is taken as it is. Errors: NOTFOUND, FORMAT, SHAPE, VALUE; CONFIG where there are fewer images than samples,
 * with both numbers, and where the file was packed with other steps. Local. */
uwc_status uwc_dataset_open(const char *path, const uwc_preprocess *preprocess, const uwc_choice *choice, uwc_dataset **out) UWC_MUST_USE;
void uwc_dataset_close(uwc_dataset **dataset);
int64_t uwc_dataset_images(const uwc_dataset *dataset);
/* Shape of one preprocessed image, [1,C,H,W]. Local. */
uwc_shape uwc_dataset_shape(const uwc_dataset *dataset);
bool uwc_dataset_has_labels(const uwc_dataset *dataset);
int64_t uwc_dataset_label(const uwc_dataset *dataset, int64_t image);
/* Images [first, first+out->shape.dim[0]) preprocessed into `out` (float32 activation, channels last). Errors: also VALUE (NaN or Inf) with
 * the image. Local. */
uwc_status uwc_dataset_read(uwc_dataset *dataset, int64_t first, uwc_tensor *out) UWC_MUST_USE;
/* A hash of the raw images and preprocessing, so that a resume on other data is noticed (cheap: sizes, names, a few images). Local. */
uwc_status uwc_dataset_fingerprint(uwc_dataset *dataset, uint64_t *out) UWC_MUST_USE;

/* Where an image lies in the network's input: pixel of the input = pixel of the image * scale + offset, counted from upper and left edges,
 * [0] down, [1] across. */
typedef struct uwc_placement {
    int64_t height, width; /* of the image as decoded and turned the right way up, also where the data set was packed from it */
    double scale[2], offset[2];
} uwc_placement;
/* Reads the header of the image at most. Local. */
uwc_status uwc_dataset_placement(const uwc_dataset *dataset, int64_t image, uwc_placement *out) UWC_MUST_USE;

/* Packs the chosen images of a folder into HDF5: resized and cropped or letterboxed as `preprocess` says, uint8 RGB [N,3,H,W], labels.
 * `threads` threads decode; the bytes do not depend on them. Local. */
uwc_status uwc_dataset_pack(const char *folder, const uwc_preprocess *preprocess, const uwc_choice *choice, int threads,
                            const char *path) UWC_MUST_USE;

/* ---- reader: batches that are decoded while the caller works on the one before -------------------------------------------------- */

typedef struct uwc_span {
    int64_t first, count;
} uwc_span;

typedef struct uwc_reader uwc_reader;

/* Will give the images of span[0], span[1], ... as one batch each, in memory for two of the largest. `threads` threads decode, where the
 * set is a folder or .npy; HDF5 files, whose library serves one thread, are read when a batch is asked for. What is given never depends on
 * `threads`. `dataset` is borrowed and read by nobody else until the reader is closed; spans are copied. Errors: ARG, LIBRARY. Local. */
uwc_status uwc_reader_open(uwc_dataset *dataset, const uwc_span *span, int n_spans, int threads, uwc_reader **out) UWC_MUST_USE;
/* *out = the next batch, [count,C,H,W]; borrowed until the next call. Errors: of the first image of the batch that cannot be read, as
 * uwc_dataset_read; ARG behind the last span. Local. */
uwc_status uwc_reader_next(uwc_reader *reader, const uwc_tensor **out) UWC_MUST_USE;
/* Stops the threads, which finish the images they are at; NULL inside is fine. Local. */
void uwc_reader_close(uwc_reader **reader);

/* ---- checker: which images of a set cannot be used ------------------------------------------------------------------------------- */

typedef struct uwc_checker uwc_checker;

/* Errors as uwc_dataset_open, but none of single images. Local. */
uwc_status uwc_checker_open(const char *path, const uwc_preprocess *preprocess, uwc_checker **out) UWC_MUST_USE;
void uwc_checker_close(uwc_checker **checker);
int64_t uwc_checker_images(const uwc_checker *checker);
/* Reads an image as uwc_dataset_read does. *good = false where what it holds cannot be used: damaged, not of `shape` ([1,C,H,W]) after
 * preprocessing, not finite; uwc_error_last has its name and the reason. *shape of rank 0 takes any image, and becomes what it gives.
 * Errors: what is not the image's fault (IO, NOTFOUND, NOMEM). Local. */
uwc_status uwc_checker_try(uwc_checker *checker, int64_t image, uwc_shape *shape, bool *good) UWC_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
