#include "image.h"

#include <math.h>

#include <uwc/base.h>

/* How hard the pictures are; chosen so that the trained network is right on 93-98 % of them. */
static const double CONTRAST_LEAST = 0.20, CONTRAST_MOST = 0.6, NOISE_LEAST = 0.02, NOISE_MOST = 0.09, TURN_MOST = 0.45, SHEAR_MOST = 0.22,
                    SIZE_LEAST = 7.5, SIZE_MOST = 12.0, OCCLUSION_MOST = 4.5;
enum { DISTRACTORS_MOST = 3, GRATINGS = 2, STROKES_MOST = 5 };

typedef struct vec {
    double x, y;
} vec;

static double length(double x, double y) {
    return sqrt(x * x + y * y);
}

typedef struct colour {
    double channel[IMAGE_CHANNELS];
} colour;

typedef struct stroke {
    vec from, to;
} stroke;

typedef struct glyph {
    int strokes;
    stroke stroke[STROKES_MOST];
} glyph;

/* Random numbers of one picture, drawn one behind the other. */
typedef struct dice {
    uint64_t seed, stream, index;
} dice;

static double dice_between(dice *d, double least, double most) {
    return least + (most - least) * uwc_rng_uniform(d->seed, d->stream, d->index++);
}

static int64_t dice_below(dice *d, int64_t bound) {
    return uwc_rng_below(d->seed, d->stream, d->index++, bound);
}

static colour dice_colour(dice *d, double least, double most) {
    colour c;
    for (int i = 0; i < IMAGE_CHANNELS; i++) {
        c.channel[i] = dice_between(d, least, most);
    }
    return c;
}

/* Mean 0, variance 1, nearly normal: four random bytes added up. */
static double dice_noise(dice *d) {
    uint32_t bits = uwc_rng_u32(d->seed, d->stream, d->index++);
    uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
    return ((double)sum - 510.0) / 147.8;
}

/* ---- outlines: distance to the edge, negative inside, in a frame where the figure fills about [-1, 1]
 * ------------------------------------ */

static double stroke_distance(vec p, stroke s) {
    double dx = s.to.x - s.from.x, dy = s.to.y - s.from.y, px = p.x - s.from.x, py = p.y - s.from.y;
    double along = fmin(fmax((px * dx + py * dy) / (dx * dx + dy * dy), 0.0), 1.0);
    return length(px - along * dx, py - along * dy);
}

static double glyph_distance(vec p, const glyph *g) {
    double least = INFINITY;
    for (int i = 0; i < g->strokes; i++) {
        least = fmin(least, stroke_distance(p, g->stroke[i]));
    }
    return least;
}

static double triangle_distance(vec p) {
    double side = 0.8660254037844386 * fabs(p.x) - 0.5 * p.y;
    return fmax(side, p.y) - 0.5;
}

/* The radius swings five times round between the inner and the outer corners. */
static double star_distance(vec p) {
    double sector = fabs(remainder(atan2(p.x, -p.y), 1.2566370614359172)) / 0.6283185307179586; /* 0 at a tip, 1 between two */
    return (length(p.x, p.y) - (1.0 - 0.58 * sector)) * 0.7;
}

/* `weight`: half the thickness of strokes and of the ring. */
static double figure_distance(int label, vec p, double weight) {
    static const glyph letter[] = {
        {3, {{{-0.7, 0.9}, {0.0, -0.9}}, {{0.0, -0.9}, {0.7, 0.9}}, {{-0.4, 0.25}, {0.4, 0.25}}}},
        {4, {{{-0.6, -0.85}, {-0.6, 0.85}}, {{-0.6, -0.85}, {0.6, -0.85}}, {{-0.6, 0.0}, {0.4, 0.0}}, {{-0.6, 0.85}, {0.6, 0.85}}}},
        {3, {{{-0.6, -0.85}, {-0.6, 0.85}}, {{-0.6, -0.85}, {0.6, -0.85}}, {{-0.6, 0.0}, {0.4, 0.0}}}},
        {3, {{{-0.6, -0.85}, {-0.6, 0.85}}, {{0.6, -0.85}, {0.6, 0.85}}, {{-0.6, 0.0}, {0.6, 0.0}}}},
        {3, {{{-0.6, -0.85}, {-0.6, 0.85}}, {{-0.6, 0.1}, {0.6, -0.85}}, {{-0.2, -0.2}, {0.6, 0.85}}}},
    };
    switch (label) {
    case 0:
        return length(p.x, p.y) - 0.85;
    case 1:
        return fabs(length(p.x, p.y) - 0.75) - 1.5 * weight;
    case 2:
        return fmax(fabs(p.x), fabs(p.y)) - 0.75;
    case 3:
        return triangle_distance((vec){p.x, p.y - 0.1});
    case 4:
        return star_distance(p);
    default:
        return glyph_distance(p, &letter[label - 5]) - weight;
    }
}

/* ---- layers of a picture
 * ------------------------------------------------------------------------------------------------------------------ */

typedef struct grating {
    double kx, ky, phase;
    colour amplitude;
} grating;

static grating dice_grating(dice *d, double strength) {
    double angle = dice_between(d, 0.0, 6.283185307179586), wave = dice_between(d, 0.3, 1.5);
    grating g = {wave * cos(angle), wave * sin(angle), dice_between(d, 0.0, 6.283185307179586), dice_colour(d, -strength, strength)};
    return g;
}

static double grating_wave(const grating *g, vec p) {
    return sin(g->kx * p.x + g->ky * p.y + g->phase);
}

/* Maps picture points into the figure's frame; `unit` is the length of that frame's unit in pixels. */
typedef struct pose {
    vec centre;
    double a, b, c, d, unit;
} pose;

static pose dice_pose(dice *d) {
    double turn = dice_between(d, -TURN_MOST, TURN_MOST), shear = dice_between(d, -SHEAR_MOST, SHEAR_MOST);
    double unit = dice_between(d, SIZE_LEAST, SIZE_MOST), stretch = dice_between(d, 0.8, 1.2);
    double room = 0.5 * IMAGE_SIDE - 0.85 * unit;
    pose p = {.unit = unit};
    p.centre = (vec){0.5 * IMAGE_SIDE + dice_between(d, -room, room), 0.5 * IMAGE_SIDE + dice_between(d, -room, room)};
    p.a = cos(turn) / (unit * stretch);
    p.b = sin(turn) / (unit * stretch);
    p.c = -sin(turn) * stretch / unit + shear * p.a;
    p.d = cos(turn) * stretch / unit + shear * p.b;
    return p;
}

static vec pose_apply(const pose *p, vec at) {
    double x = at.x - p->centre.x, y = at.y - p->centre.y;
    return (vec){p->a * x + p->b * y, p->c * x + p->d * y};
}

/* One layer over another: how much of a pixel a figure covers whose edge is `distance` pixels away. */
static double coverage(double distance) {
    return fmin(fmax(0.5 - distance, 0.0), 1.0);
}

typedef struct mark {
    stroke line;
    double weight;
    colour ink;
} mark;

typedef struct scene {
    int label;
    double weight, noise;
    pose pose;
    colour ground, ink;
    grating behind[GRATINGS], inside;
    mark distractor[DISTRACTORS_MOST], occluder;
    int distractors;
} scene;

static colour colour_offset(colour c, const colour *direction, double amount) {
    double norm = 1e-9;
    for (int i = 0; i < IMAGE_CHANNELS; i++) {
        norm += direction->channel[i] * direction->channel[i];
    }
    for (int i = 0; i < IMAGE_CHANNELS; i++) {
        c.channel[i] += direction->channel[i] * amount / sqrt(norm);
    }
    return c;
}

static mark dice_mark(dice *d, colour ground, double longest, double weight) {
    vec at = {dice_between(d, 0.0, IMAGE_SIDE), dice_between(d, 0.0, IMAGE_SIDE)};
    double angle = dice_between(d, 0.0, 6.283185307179586), reach = dice_between(d, 0.3, 1.0) * longest;
    mark m = {.line = {at, {at.x + reach * cos(angle), at.y + reach * sin(angle)}}, .weight = weight};
    colour direction = dice_colour(d, -1.0, 1.0);
    m.ink = colour_offset(ground, &direction, dice_between(d, CONTRAST_LEAST, CONTRAST_MOST));
    return m;
}

static scene dice_scene(dice *d) {
    scene s = {.label = (int)dice_below(d, IMAGE_CLASSES)};
    s.weight = dice_between(d, 0.13, 0.24);
    s.noise = dice_between(d, NOISE_LEAST, NOISE_MOST);
    s.pose = dice_pose(d);
    s.ground = dice_colour(d, 0.2, 0.8);
    colour direction = dice_colour(d, -1.0, 1.0);
    s.ink = colour_offset(s.ground, &direction, dice_between(d, CONTRAST_LEAST, CONTRAST_MOST));
    for (int i = 0; i < GRATINGS; i++) {
        s.behind[i] = dice_grating(d, 0.07);
    }
    s.inside = dice_grating(d, 0.12);
    s.distractors = (int)dice_below(d, DISTRACTORS_MOST + 1);
    for (int i = 0; i < s.distractors; i++) {
        s.distractor[i] = dice_mark(d, s.ground, 10.0, dice_between(d, 0.5, 1.3));
    }
    s.occluder = dice_mark(d, s.ground, 14.0, dice_between(d, 0.0, 0.5 * OCCLUSION_MOST));
    return s;
}

static void blend(colour *under, const colour *over, double amount) {
    for (int i = 0; i < IMAGE_CHANNELS; i++) {
        under->channel[i] += amount * (over->channel[i] - under->channel[i]);
    }
}

static void add_grating(colour *c, const grating *g, vec p) {
    double wave = grating_wave(g, p);
    for (int i = 0; i < IMAGE_CHANNELS; i++) {
        c->channel[i] += wave * g->amplitude.channel[i];
    }
}

static colour scene_colour(const scene *s, vec p) {
    colour c = s->ground, ink = s->ink;
    for (int i = 0; i < GRATINGS; i++) {
        add_grating(&c, &s->behind[i], p);
    }
    for (int i = 0; i < s->distractors; i++) {
        blend(&c, &s->distractor[i].ink, coverage(stroke_distance(p, s->distractor[i].line) - s->distractor[i].weight));
    }
    add_grating(&ink, &s->inside, p);
    blend(&c, &ink, coverage(figure_distance(s->label, pose_apply(&s->pose, p), s->weight) * s->pose.unit));
    blend(&c, &s->occluder.ink, coverage(stroke_distance(p, s->occluder.line) - s->occluder.weight));
    return c;
}

void image_draw(image_set set, int64_t number, uint8_t *pixels, int32_t *label) {
    dice d = {.seed = (uint64_t)set, .stream = (uint64_t)number};
    scene s = dice_scene(&d);
    *label = s.label;
    for (int y = 0; y < IMAGE_SIDE; y++) {
        for (int x = 0; x < IMAGE_SIDE; x++) {
            colour c = scene_colour(&s, (vec){x + 0.5, y + 0.5});
            for (int i = 0; i < IMAGE_CHANNELS; i++) {
                double value = c.channel[i] + s.noise * dice_noise(&d);
                pixels[(i * IMAGE_SIDE + y) * IMAGE_SIDE + x] = (uint8_t)lrint(255.0 * fmin(fmax(value, 0.0), 1.0));
            }
        }
    }
}
