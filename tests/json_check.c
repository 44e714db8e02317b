/* json_check KEY...: standard input is exactly one JSON object and has these keys. For scripts; prints what is wrong.
 */
#include <jansson.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    json_error_t error;
    int missing = 0;
    json_t *object = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        printf("no JSON object: %s\n", object ? "another value" : error.text);
        json_decref(object);
        return 1;
    }
    for (int i = 1; i < argc; i++)
        if (!json_object_get(object, argv[i])) {
            printf("no key '%s'\n", argv[i]);
            missing++;
        }
    json_decref(object);
    return missing ? 1 : 0;
}
