/* What the two tasks of the demo look like. The target's objects are none of the source's, but are made of the same
 * kinds of parts: what a network learns about the one helps with the other. */
#include "demo_draw.h"

#define CLASS(name)                                                                                                    \
    {                                                                                                                  \
#name, name, sizeof name / sizeof name[0]                                                                      \
    }

/* kind, paint, x, y, width, height, turn, shape, copies */

/* --- source ------------------------------------------------------------------------------------------------------- */
static const demo_part arrow[] = {{DEMO_BOX, 0, -0.25, 0.0, 0.6, 0.17, 0.0, 0.0, 0},
                                  {DEMO_TRIANGLE, 0, 0.52, 0.0, 0.5, 0.42, 0.25, 0.0, 0}};
static const demo_part bottle[] = {{DEMO_BOX, 0, 0.0, 0.37, 0.36, 0.57, 0.0, 0.0, 0},
                                   {DEMO_TRAPEZOID, 0, 0.0, -0.32, 0.36, 0.14, 0.0, 0.35, 0},
                                   {DEMO_BOX, 0, 0.0, -0.6, 0.13, 0.22, 0.0, 0.0, 0},
                                   {DEMO_BOX, 1, 0.0, -0.86, 0.16, 0.08, 0.0, 0.0, 0},
                                   {DEMO_BOX, 2, 0.0, 0.4, 0.36, 0.2, 0.0, 0.0, 0}};
static const demo_part checker[] = {{DEMO_CHECKER, 0, 0.0, 0.0, 0.85, 0.85, 0.0, 4.0, 0}};
static const demo_part crescent[] = {{DEMO_DISC, 0, 0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0},
                                     {DEMO_DISC, DEMO_CUT, 0.42, -0.1, 0.75, 0.75, 0.0, 0.0, 0}};
static const demo_part cross[] = {{DEMO_BOX, 0, 0.0, 0.0, 0.9, 0.25, 0.0, 0.0, 0},
                                  {DEMO_BOX, 0, 0.0, 0.0, 0.25, 0.9, 0.0, 0.0, 0}};
static const demo_part fish[] = {{DEMO_TRIANGLE, 1, 0.68, 0.0, 0.38, 0.32, 0.75, 0.0, 0},
                                 {DEMO_DISC, 0, -0.15, 0.0, 0.72, 0.42, 0.0, 0.0, 0},
                                 {DEMO_BOX, 1, 0.05, 0.0, 0.05, 0.36, 0.0, 0.0, 0},
                                 {DEMO_DISC, 2, -0.55, -0.1, 0.09, 0.09, 0.0, 0.0, 0}};
static const demo_part flag[] = {{DEMO_STRIPES, 0, 0.15, -0.42, 0.7, 0.46, 0.0, 3.0, 0},
                                 {DEMO_BOX, 1, -0.6, 0.0, 0.07, 0.95, 0.0, 0.0, 0}};
static const demo_part flower[] = {{DEMO_DISC, 0, 0.0, -0.56, 0.25, 0.38, 0.0, 0.0, 6},
                                   {DEMO_DISC, 1, 0.0, 0.0, 0.27, 0.27, 0.0, 0.0, 0}};
static const demo_part heart[] = {{DEMO_HEART, 0, 0.0, 0.0, 0.8, 0.8, 0.0, 0.0, 0}};
static const demo_part hourglass[] = {{DEMO_TRIANGLE, 0, 0.0, 0.4, 0.55, 0.47, 0.0, 0.0, 0},
                                      {DEMO_TRIANGLE, 0, 0.0, -0.4, 0.55, 0.47, 0.5, 0.0, 0},
                                      {DEMO_BOX, 1, 0.0, 0.88, 0.65, 0.09, 0.0, 0.0, 0},
                                      {DEMO_BOX, 1, 0.0, -0.88, 0.65, 0.09, 0.0, 0.0, 0}};
static const demo_part house[] = {{DEMO_BOX, 0, 0.0, 0.4, 0.65, 0.5, 0.0, 0.0, 0},
                                  {DEMO_TRIANGLE, 1, 0.0, -0.45, 0.88, 0.4, 0.0, 0.0, 0},
                                  {DEMO_BOX, 2, -0.25, 0.6, 0.15, 0.3, 0.0, 0.0, 0},
                                  {DEMO_BOX, 2, 0.28, 0.3, 0.15, 0.15, 0.0, 0.0, 0}};
static const demo_part ladder[] = {
    {DEMO_BOX, 1, 0.0, -0.6, 0.4, 0.06, 0.0, 0.0, 0}, {DEMO_BOX, 1, 0.0, -0.2, 0.4, 0.06, 0.0, 0.0, 0},
    {DEMO_BOX, 1, 0.0, 0.2, 0.4, 0.06, 0.0, 0.0, 0},  {DEMO_BOX, 1, 0.0, 0.6, 0.4, 0.06, 0.0, 0.0, 0},
    {DEMO_BOX, 0, -0.4, 0.0, 0.08, 0.9, 0.0, 0.0, 0}, {DEMO_BOX, 0, 0.4, 0.0, 0.08, 0.9, 0.0, 0.0, 0}};
static const demo_part mushroom[] = {{DEMO_TRAPEZOID, 1, 0.0, 0.45, 0.3, 0.45, 0.0, 0.7, 0},
                                     {DEMO_DOME, 0, 0.0, 0.1, 0.85, 0.9, 0.0, 0.0, 0},
                                     {DEMO_DISC, 2, -0.3, -0.25, 0.14, 0.14, 0.0, 0.0, 0},
                                     {DEMO_DISC, 2, 0.28, -0.35, 0.12, 0.12, 0.0, 0.0, 0}};
static const demo_part ring[] = {{DEMO_RING, 0, 0.0, 0.0, 0.9, 0.9, 0.0, 0.62, 0}};
static const demo_part spiral[] = {{DEMO_ARC, 0, 0.0, 0.0, 0.22, 0.22, 0.0, 0.35, 0},
                                   {DEMO_ARC, 0, 0.15, 0.0, 0.37, 0.37, 0.5, 0.62, 0},
                                   {DEMO_ARC, 0, 0.0, 0.0, 0.52, 0.52, 0.0, 0.73, 0},
                                   {DEMO_ARC, 0, 0.15, 0.0, 0.67, 0.67, 0.5, 0.79, 0},
                                   {DEMO_ARC, 0, 0.0, 0.0, 0.82, 0.82, 0.0, 0.83, 0}};
static const demo_part star[] = {{DEMO_TRIANGLE, 0, 0.0, -0.56, 0.26, 0.4, 0.0, 0.0, 5},
                                 {DEMO_DISC, 0, 0.0, 0.0, 0.36, 0.36, 0.0, 0.0, 0}};
static const demo_part stripes[] = {{DEMO_STRIPES, 0, 0.0, 0.0, 0.85, 0.85, 0.0, 4.0, 0}};
static const demo_part tree[] = {{DEMO_BOX, 1, 0.0, 0.7, 0.13, 0.26, 0.0, 0.0, 0},
                                 {DEMO_TRIANGLE, 0, 0.0, 0.22, 0.68, 0.35, 0.0, 0.0, 0},
                                 {DEMO_TRIANGLE, 0, 0.0, -0.18, 0.54, 0.33, 0.0, 0.0, 0},
                                 {DEMO_TRIANGLE, 0, 0.0, -0.58, 0.4, 0.32, 0.0, 0.0, 0}};
static const demo_part umbrella[] = {{DEMO_BOX, 1, 0.0, 0.25, 0.05, 0.55, 0.0, 0.0, 0},
                                     {DEMO_ARC, 1, 0.15, 0.78, 0.2, 0.2, 0.5, 0.5, 0},
                                     {DEMO_DOME, 0, 0.0, 0.0, 0.92, 0.85, 0.0, 0.0, 0}};
static const demo_part wheel[] = {{DEMO_RING, 0, 0.0, 0.0, 0.92, 0.92, 0.0, 0.8, 0},
                                  {DEMO_BOX, 1, 0.0, -0.42, 0.05, 0.38, 0.0, 0.0, 8},
                                  {DEMO_DISC, 0, 0.0, 0.0, 0.2, 0.2, 0.0, 0.0, 0}};

static const demo_class source[] = {CLASS(arrow), CLASS(bottle),  CLASS(checker),  CLASS(crescent), CLASS(cross),
                                    CLASS(fish),  CLASS(flag),    CLASS(flower),   CLASS(heart),    CLASS(hourglass),
                                    CLASS(house), CLASS(ladder),  CLASS(mushroom), CLASS(ring),     CLASS(spiral),
                                    CLASS(star),  CLASS(stripes), CLASS(tree),     CLASS(umbrella), CLASS(wheel)};

/* --- target ------------------------------------------------------------------------------------------------------- */
static const demo_part boat[] = {{DEMO_BOX, 2, 0.0, -0.2, 0.05, 0.68, 0.0, 0.0, 0},
                                 {DEMO_TRAPEZOID, 0, 0.0, 0.62, 0.85, 0.24, 0.5, 0.6, 0},
                                 {DEMO_TRIANGLE, 1, 0.36, -0.2, 0.3, 0.5, 0.0, 0.0, 0},
                                 {DEMO_TRIANGLE, 1, -0.32, -0.05, 0.24, 0.36, 0.0, 0.0, 0}};
static const demo_part cup[] = {{DEMO_RING, 0, 0.5, 0.08, 0.34, 0.38, 0.0, 0.62, 0},
                                {DEMO_TRAPEZOID, 0, -0.15, 0.15, 0.56, 0.65, 0.5, 0.65, 0},
                                {DEMO_DISC, 1, -0.15, -0.5, 0.56, 0.16, 0.0, 0.0, 0}};
static const demo_part key[] = {{DEMO_RING, 0, -0.5, 0.0, 0.42, 0.42, 0.0, 0.5, 0},
                                {DEMO_BOX, 0, 0.38, 0.0, 0.52, 0.1, 0.0, 0.0, 0},
                                {DEMO_BOX, 0, 0.52, 0.2, 0.08, 0.18, 0.0, 0.0, 0},
                                {DEMO_BOX, 0, 0.82, 0.2, 0.08, 0.16, 0.0, 0.0, 0}};
static const demo_part lamp[] = {{DEMO_BOX, 1, 0.0, 0.3, 0.07, 0.55, 0.0, 0.0, 0},
                                 {DEMO_TRAPEZOID, 0, 0.0, -0.5, 0.62, 0.38, 0.0, 0.5, 0},
                                 {DEMO_DOME, 1, 0.0, 0.92, 0.5, 0.24, 0.0, 0.0, 0}};
static const demo_part leaf[] = {{DEMO_LENS, 0, 0.0, -0.15, 0.5, 0.8, 0.0, 0.0, 0},
                                 {DEMO_BOX, 1, 0.0, 0.15, 0.04, 0.8, 0.0, 0.0, 0},
                                 {DEMO_BOX, 1, 0.15, -0.12, 0.03, 0.2, 0.125, 0.0, 0},
                                 {DEMO_BOX, 1, -0.15, -0.12, 0.03, 0.2, -0.125, 0.0, 0}};

static const demo_class target[] = {CLASS(boat), CLASS(cup), CLASS(key), CLASS(lamp), CLASS(leaf)};

const demo_task demo_tasks[] = {{"source", source, sizeof source / sizeof source[0], 1000},
                                {"target", target, sizeof target / sizeof target[0], 24}};
const size_t demo_task_count = sizeof demo_tasks / sizeof demo_tasks[0];
