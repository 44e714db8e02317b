#include <thaw/status.h>

static const struct {
    const char *text;
    int exit_status;
} statuses[] = {
#define STATUS_ROW(name, text, exit_status) [THAW_##name] = {text, exit_status},
    THAW_STATUS_LIST(STATUS_ROW)
#undef STATUS_ROW
};

static bool is_known(thaw_status status)
{
    return (size_t)status < sizeof statuses / sizeof statuses[0];
}

const char *thaw_status_text(thaw_status status)
{
    return is_known(status) ? statuses[status].text : "unknown status";
}

int thaw_status_exit(thaw_status status)
{
    return is_known(status) ? statuses[status].exit_status : 1;
}
