#include <thaw/thaw.h>

const char *thaw_version(void)
{
    return THAW_VERSION;
}
