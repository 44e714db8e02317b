/* The demo's drawings: objects made of simple parts, drawn with a photograph's nuisances. */
#ifndef THAW_TOOLS_DEMO_DRAW_H
#define THAW_TOOLS_DEMO_DRAW_H

#include <stddef.h>
#include <stdint.h>

/* What fills a part's own square [-1, 1] x [-1, 1]; y points down. `shape` is the number that some kinds take. */
typedef enum demo_kind {
    DEMO_BOX,       /* all of it */
    DEMO_DISC,      /* the unit circle */
    DEMO_DOME,      /* its upper half */
    DEMO_RING,      /* between the circles of radius `shape` and 1 */
    DEMO_ARC,       /* its upper half */
    DEMO_TRIANGLE,  /* the tip up */
    DEMO_TRAPEZOID, /* the upper side is `shape` times as wide as the lower one */
    DEMO_LENS,      /* pointed above and below */
    DEMO_HEART,
    DEMO_STRIPES, /* `shape` bands with gaps as wide as they are */
    DEMO_CHECKER, /* `shape` squares across, every other one filled */
    DEMO_KINDS
} demo_kind;

enum { DEMO_CUT = -1, DEMO_PAINTS = 3 };

typedef struct demo_part {
    demo_kind kind;
    int paint;            /* which colour of the object, or DEMO_CUT: takes away what lies below */
    double x, y;          /* centre, in the object's square [-1, 1] x [-1, 1] */
    double width, height; /* from the centre to the side */
    double turn;          /* clockwise, 1 is once around */
    double shape;
    int copies; /* spread evenly around the object's centre; 0 is one */
} demo_part;

typedef struct demo_class {
    const char *name;
    const demo_part *parts; /* [part_count], from the lowest to the topmost */
    size_t part_count;
} demo_class;

typedef struct demo_task {
    const char *name;
    const demo_class *classes; /* sorted by name */
    size_t class_count;
    long images_per_class; /* unless asked otherwise */
} demo_task;

extern const demo_task demo_tasks[];
extern const size_t demo_task_count;

/* How many numbers demo_draw() needs to work on. */
#define DEMO_WORK(size) (2 * (size_t)(size) * (size_t)(size)*3)

/* Draws one picture of the class into pixels[size][size][3]. The same seed gives the same bytes on every machine: no
 * function of the C library whose rounding is not fixed is called. work: [DEMO_WORK(size)]. */
void demo_draw(const demo_class *class, uint64_t seed, int size, double *work, unsigned char *pixels);

#endif
