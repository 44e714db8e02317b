/* A small data set, drawn here: three classes of bright discs at three places in three colours. */
#ifndef THAW_TESTS_PICTURES_H
#define THAW_TESTS_PICTURES_H

#include <thaw/train.h>

enum { PICTURE_SIZE = 12, PICTURE_CLASSES = 3, PICTURES_PER_CLASS = 12 };

/* Draws them into a folder, which is made. */
void pictures_make(const char *root);
/* The same with other numbers of them; all of one grey unless there is something to be seen. */
void pictures_make_counts(const char *root, const size_t counts[PICTURE_CLASSES], bool visible);
/* One that is there already, shared by all tests. */
const char *pictures_folder(void);
/* The share is for validation. Closed by the caller. */
thaw_dataset *pictures_open(double share);
/* Six epochs in batches of seven, so that the last step of an epoch is a short one. */
thaw_finetune_options pictures_options(void);

#endif
