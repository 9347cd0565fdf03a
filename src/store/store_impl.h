/* Shared by the sources of store: HDF5 handles, the streamed file writer. */
#ifndef UWC_STORE_IMPL_H
#define UWC_STORE_IMPL_H

#include <hdf5.h>
#include <uwc/store.h>

/* ---- hdf5.c ---- */

/* Keeps HDF5's own error printing off stderr. */
void uwc_store__quiet(void);
/* Closes `id` with `close` unless it is negative. */
void uwc_store__drop(hid_t id, herr_t (*close)(hid_t));
/* The library's native type of `dtype`, as used in memory and in the files that are written; nothing to close. */
hid_t uwc_store__type(uwc_dtype dtype);
/* The same of F16, to be closed; negative on failure. */
hid_t uwc_store__half_type(void);
/* The narrowest uwc_dtype that takes the file type (float64 and float16 give F32). False: not a number. `exact`: it is that very type. */
bool uwc_store__dtype_of(hid_t type, uwc_dtype *dtype, bool *exact);
/* Words for a file type in messages: "int16", "float64", "string", ... into `text` (at least 32 bytes); returns text. */
char *uwc_store__type_print(hid_t type, char *text);
/* A property list of `kind` that records no times. */
hid_t uwc_store__timeless(hid_t kind);
/* Opens for reading. Errors: NOTFOUND, IO, FORMAT with the path. */
uwc_status uwc_store__open_file(const char *path, hid_t *file);
bool uwc_store__has(hid_t file, const char *path);

/* An open dataset and what it is. */
typedef struct uwc_store__set {
    hid_t id;
    hid_t type;
    uwc_shape shape; /* rank at most UWC_MAX_RANK */
} uwc_store__set;

/* `name` stands for the file in messages. Errors: FORMAT (absent, no dataset, rank). */
uwc_status uwc_store__set_open(hid_t file, const char *name, const char *path, uwc_store__set *out);
void uwc_store__set_close(uwc_store__set *set);
/* Rows [first, first+count) of the leading dimension (a scalar is one row) as `dtype`. Errors: FORMAT, SHAPE. */
uwc_status uwc_store__set_read(const uwc_store__set *set, const char *name, const char *path, uwc_dtype dtype, int64_t first, int64_t count,
                               void *out);
/* Makes the groups on the way and writes the dataset, contiguous. */
uwc_status uwc_store__set_write(hid_t file, const char *name, const char *path, uwc_dtype dtype, uwc_shape shape, const void *data);

/* Makes the groups on the way to `path`. Errors: LIBRARY. */
uwc_status uwc_store__make_groups(hid_t file, const char *name, const char *path);

/* ---- text.c: one string in a scalar dataset ---- */

uwc_status uwc_store__text_write(hid_t file, const char *name, const char *path, const char *text);
/* Fixed and variable-length strings; *out is owned by the caller. Errors: FORMAT. */
uwc_status uwc_store__text_read(const uwc_store__set *set, const char *name, const char *path, char **out);

/* ---- memory_file.c ---- */

/* Opens a file image for reading in place: no copy is made. Errors: FORMAT with the name. */
uwc_status uwc_store__open_image(const char *name, const void *image, size_t bytes, hid_t *file);

/* A file that HDF5 wrote in memory, after it was closed. Stays where it is from creating to closing. */
typedef struct uwc_store__caught {
    void *image;  /* owned by the caller; `bytes` long */
    size_t bytes; /* zeros behind `end`; less than `end` where the end of the file was never written */
    int64_t end;  /* length of the file */
} uwc_store__caught;

uwc_status uwc_store__create_in_memory(uwc_store__caught *caught, hid_t *file);
/* Errors: LIBRARY. caught->image is to be freed in any case. */
uwc_status uwc_store__close_in_memory(hid_t *file, uwc_store__caught *caught);

/* ---- stream.c: an HDF5 file whose one large dataset is written front to back, in constant memory ---- */

typedef struct uwc_store__array {
    const char *path;
    uwc_dtype dtype;
    uwc_shape shape;
    const void *data; /* borrowed; not used for the large dataset */
} uwc_store__array;

typedef struct uwc_store__stream uwc_store__stream;

/* Starts path.tmp with the small arrays and room for `large`. */
uwc_status uwc_store__stream_open(const char *path, const uwc_store__array *small, int smalls, const uwc_store__array *large,
                                  uwc_store__stream **out);
uwc_status uwc_store__stream_append(uwc_store__stream *stream, const void *data, size_t bytes);
/* Publishes and frees, also on failure; a large dataset that is not full is an error. */
uwc_status uwc_store__stream_publish(uwc_store__stream **stream);
void uwc_store__stream_drop(uwc_store__stream **stream);

/* ---- picture.c: one decoded image, and its way to the network's input ---- */

/* Pixels of an image, wherever they lie; element (c,y,x) is data[c*channel_step + y*row_step + x*pixel_step]. Owns nothing. */
typedef struct uwc_store__picture {
    uwc_dtype dtype; /* U8 or F32 */
    int64_t channels, height, width;
    int64_t channel_step, row_step, pixel_step; /* elements */
    const void *data;
} uwc_store__picture;

/* Elements for a picture made on the way; grows, never shrinks. */
typedef struct uwc_store__scratch {
    unsigned char *bytes;
    int64_t capacity;
} uwc_store__scratch;

/* What one thread needs to read images: as decoded, resized, and laid on a square. */
typedef struct uwc_store__work {
    uwc_store__scratch pixels, resized, square;
} uwc_store__work;
void uwc_store__work_free(uwc_store__work *work);

/* Most pixels of an image, as found or as resized: larger ones are refused before memory is taken. */
#define UWC_STORE__MOST_PIXELS (INT64_C(1) << 26)

/* Errors: CONFIG for values that make no sense. */
uwc_status uwc_store__preprocess_check(const uwc_preprocess *preprocess);
/* height, width := those after resize and crop, or letterbox. Errors: SHAPE with `name`. */
uwc_status uwc_store__preprocess_size(const uwc_preprocess *preprocess, const char *name, int64_t *height, int64_t *width);
/* Resize and crop, or letterbox; *out refers to `in` or to `work`. */
uwc_status uwc_store__frame(const uwc_preprocess *preprocess, const char *name, const uwc_store__picture *in, uwc_store__work *work,
                            uwc_store__picture *out);
/* Colour order, scale, mean, std into out[H][W][C]. Errors: VALUE with `name`. */
uwc_status uwc_store__normalise(const uwc_preprocess *preprocess, const char *name, const uwc_store__picture *in, float *out);

/* Errors: SHAPE with `name` unless the picture is [channels,height,width], as the others are. */
uwc_status uwc_store__check_alike(const char *name, const uwc_store__picture *picture, int64_t channels, int64_t height, int64_t width);

/* ---- resample.c ---- */

/* A part of the picture that would have height x width pixels: rows [top, top+rows), columns [left, left+columns). */
typedef struct uwc_store__window {
    int64_t height, width;
    int64_t top, left, rows, columns;
} uwc_store__window;

/* The part of the resized picture that is kept. Errors: SHAPE with `name`. */
uwc_status uwc_store__find_window(const uwc_preprocess *preprocess, const char *name, int64_t height, int64_t width,
                                  uwc_store__window *out);

/* Antialiased bilinear, as Pillow's BILINEAR: horizontally, then vertically, with an intermediate picture of the same type. `scratch` holds
 * both. */
uwc_status uwc_store__resample(const uwc_store__picture *in, const uwc_store__window *window, uwc_store__scratch *scratch,
                               uwc_store__picture *out);

/* ---- sources: where the raw images of a data set come from ---- */

/* Steps that were done when a file was packed, in it int64 [4]: resize, crop, letterbox, pad. `known` where the file tells. */
#define UWC_STORE__PACKED_PATH "/preprocess"
#define UWC_STORE__SIZES_PATH "/sizes" /* int64 [N,2] */
enum { UWC_STORE__PACKED_VALUES = 4 };
typedef struct uwc_store__packed {
    bool known;
    int64_t resize, crop, letterbox, pad;
} uwc_store__packed;

typedef struct uwc_store__source {
    int64_t images;
    int64_t *labels; /* owned; NULL: none */
    uwc_store__packed packed;
    int64_t *sizes;  /* [images][2] height and width before packing; owned; NULL: not packed */
    bool concurrent; /* several threads may read at once */
    void *self;
    /* Size of an image without reading its pixels. */
    uwc_status (*measure)(const void *self, int64_t image, int64_t *channels, int64_t *height, int64_t *width);
    /* The picture is valid until the next call with the same scratch; of sources that are not concurrent, until the next call. */
    uwc_status (*read)(void *self, int64_t image, uwc_store__scratch *scratch, uwc_store__picture *out);
    /* *out = what an image is called in messages, owned by the caller. */
    uwc_status (*name)(const void *self, int64_t image, char **out);
    /* Adds what is known of an image without reading it. */
    void (*hash)(const void *self, int64_t image, uint64_t *hash);
    void (*close)(void *self);
} uwc_store__source;

/* The one that fits what lies at `path`; the caller closes it, also after an error. Errors as uwc_dataset_open. */
uwc_status uwc_store__source_open(const char *path, uwc_store__source *out);
/* Each fills *out; the caller closes it with uwc_store__source_close. Errors as uwc_dataset_open. */
uwc_status uwc_store__source_hdf5(const char *path, uwc_store__source *out);
uwc_status uwc_store__source_npy(const char *path, uwc_store__source *out);
uwc_status uwc_store__source_folder(const char *path, uwc_store__source *out);
void uwc_store__source_close(uwc_store__source *source);
/* True for a file that starts as .npy files do. */
bool uwc_store__is_npy(const char *path);
/* "path: image 12" for sources whose images have no names. */
uwc_status uwc_store__number_name(const char *path, int64_t image, char **out);
/* Errors: SHAPE, FORMAT unless [N,C,H,W] with N > 0, one or three channels and a size that is allowed. */
uwc_status uwc_store__check_images(const char *path, uwc_shape shape);

/* ---- listing.c: the images of a folder ---- */

typedef struct uwc_store__entry {
    char *name; /* relative to the folder; owned */
    int64_t label, bytes;
    int64_t line; /* of labels.txt, from 1 */
} uwc_store__entry;

typedef struct uwc_store__listing {
    uwc_store__entry *entry;
    int64_t count, capacity;
    bool labelled;
} uwc_store__listing;

/* Lines of labels.txt, else the images in byte order of their names, else those of each sub-folder (a class each). Errors: FORMAT,
 * NOTFOUND, IO. */
uwc_status uwc_store__list(const char *path, uwc_store__listing *out);
void uwc_store__listing_free(uwc_store__listing *listing);

/* ---- labels.c: the text of labels.txt ---- */

/* Adds an entry for each line "file label"; cuts `text` (NUL-terminated beyond `bytes`) in pieces. `file` in messages. Errors: FORMAT. */
uwc_status uwc_store__labels_parse(const char *file, char *text, size_t bytes, uwc_store__listing *out);
/* Adds folder/name. */
uwc_status uwc_store__listing_add(uwc_store__listing *listing, const char *folder, const char *name, int64_t label, int64_t bytes);

/* ---- exif.c: pictures that a camera held another way ---- */

/* 1..8 of the EXIF (a TIFF file); 1 where anything is out of order. */
int uwc_store__orientation(const unsigned char *tiff, size_t bytes);
/* Whether height and width change places. */
bool uwc_store__lies_down(int orientation);
/* The 8 bit RGB pixels of height x width as the orientation says, without moving one. */
uwc_store__picture uwc_store__orient(int64_t height, int64_t width, int orientation, const unsigned char *pixels);

/* ---- jpeg.c, png.c: decoding to 8 bit RGB; `name` in messages ---- */

bool uwc_store__is_jpeg(const unsigned char *data, size_t bytes);
bool uwc_store__is_png(const unsigned char *data, size_t bytes);
/* Size as it will be decoded, from the header. Errors: FORMAT, also for more than UWC_STORE__MOST_PIXELS. */
uwc_status uwc_store__jpeg_measure(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width);
uwc_status uwc_store__png_measure(const char *name, const unsigned char *data, size_t bytes, int64_t *height, int64_t *width);
/* *out lies in scratch. Errors: FORMAT. */
uwc_status uwc_store__jpeg_decode(const char *name, const unsigned char *data, size_t bytes, uwc_store__scratch *scratch,
                                  uwc_store__picture *out);
uwc_status uwc_store__png_decode(const char *name, const unsigned char *data, size_t bytes, uwc_store__scratch *scratch,
                                 uwc_store__picture *out);

/* ---- half.c: IEEE half precision, rounded to nearest, ties to even ---- */

#define UWC_STORE__HALF_MOST 65504.0f

/* Of values up to UWC_STORE__HALF_MOST in magnitude. */
void uwc_store__to_half(const float *from, int64_t count, uint16_t *to);
void uwc_store__from_half(const uint16_t *from, int64_t count, float *to);
/* The first value that is larger, infinite or not a number; NULL: there is none. */
const float *uwc_store__find_beyond_half(const float *value, int64_t count);

/* ---- dataset.c ---- */

struct uwc_dataset {
    uwc_store__source source;
    uwc_preprocess preprocess; /* what is left to do */
    uwc_preprocess whole;      /* with the steps that were done before */
    int64_t images;
    int64_t *place;  /* [images] numbers in the source; NULL: the first `images` */
    uwc_shape shape; /* [1,C,H,W] preprocessed */
    uwc_store__work work;
};

/* A data set without a shape. */
uwc_status uwc_store__dataset_create(const char *path, const uwc_preprocess *preprocess, const uwc_choice *choice, uwc_dataset **out);
/* The shape that an image of the source comes out with. */
uwc_status uwc_store__dataset_shape(const uwc_dataset *dataset, int64_t place, uwc_shape *out);
/* One image of the source, preprocessed, as `shape` ([1,C,H,W]) into out[H][W][C]. By several threads at once where the source allows it,
 * each with its own `work`. */
uwc_status uwc_store__dataset_image(const uwc_dataset *dataset, int64_t place, uwc_shape shape, uwc_store__work *work, float *out);
/* The number in the source. */
int64_t uwc_store__dataset_place(const uwc_dataset *dataset, int64_t image);

/* ---- file.c ---- */

/* Exactly `bytes` bytes at `place` of an open file. Errors: IO, FORMAT (truncated) with the path. */
uwc_status uwc_store__read_at(int file, const char *path, int64_t place, void *to, size_t bytes);
/* The same the other way round. Errors: IO. */
uwc_status uwc_store__write_at(int file, const char *path, int64_t place, const void *from, size_t bytes);

#endif
