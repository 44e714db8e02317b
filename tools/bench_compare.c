#include "bench_compare.h"

#include <math.h>
#include <stdlib.h>

#include "json_output.h"

static json_t *cell_json(const thaw_comparison_cell *cell)
{
    json_t *object = json_object();
    if (cell->entry && cell->entry->status == THAW_REPORT_OK)
        json_object_set_new(object, "value", cli_json_number(cell->entry->value));
    if (!isnan(cell->ratio))
        json_object_set_new(object, "ratio", cli_json_number(cell->ratio));
    if (!isnan(cell->low) && !isnan(cell->high)) {
        json_object_set_new(object, "low", cli_json_number(cell->low));
        json_object_set_new(object, "high", cli_json_number(cell->high));
    }
    if (cell->reason[0])
        json_object_set_new(object, "reason", cli_json_text(cell->reason));
    return object;
}

static json_t *row_json(const thaw_comparison *comparison, const thaw_comparison_row *row)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < comparison->report_count; i++)
        cli_json_append(cells, cell_json(&row->cells[i]));
    json_t *object =
        json_pack("{s:o, s:b, s:o}", "id", cli_json_text(row->id), "compared", row->compared, "files", cells);
    if (object && row->unit)
        json_object_set_new(object, "unit", cli_json_text(row->unit));
    if (object && row->note[0])
        json_object_set_new(object, "note", cli_json_text(row->note));
    return object;
}

static thaw_status print_json(const thaw_comparison *comparison)
{
    json_t *files = json_array(), *rows = json_array(), *warnings = json_array();
    for (size_t i = 0; i < comparison->report_count; i++)
        cli_json_append(files, cli_json_text(comparison->reports[i]->path));
    for (size_t i = 0; i < comparison->row_count; i++)
        cli_json_append(rows, row_json(comparison, &comparison->rows[i]));
    for (size_t i = 0; i < comparison->warning_count; i++)
        cli_json_append(warnings, cli_json_text(comparison->warnings[i]));
    return cli_json_print(json_pack("{s:o, s:o, s:o}", "files", files, "warnings", warnings, "rows", rows));
}

static thaw_status print_table(const cli_state *cli, const thaw_comparison *comparison)
{
    char *text;
    const thaw_status status = thaw_comparison_text(cli->context, comparison, &text);
    if (status != THAW_OK)
        return status;
    fputs(text, stdout);
    free(text);
    return THAW_OK;
}

static thaw_status show(const cli_state *cli, const thaw_report *const *reports, size_t count, const char *html)
{
    thaw_comparison *comparison;
    thaw_status status = thaw_compare(cli->context, reports, count, &comparison);
    if (status == THAW_OK)
        status = cli->globals.json ? print_json(comparison) : print_table(cli, comparison);
    if (status == THAW_OK && html)
        status = thaw_comparison_write_html(cli->context, comparison, html);
    thaw_comparison_close(&comparison);
    return status;
}

thaw_status bench_compare(cli_state *cli, const char *const *paths, size_t count, const char *html)
{
    thaw_report *reports[THAW_COMPARISON_MOST] = {NULL};
    const thaw_report *read[THAW_COMPARISON_MOST];
    thaw_status status = THAW_OK;
    for (size_t i = 0; i < count && status == THAW_OK; i++) {
        status = thaw_report_read(cli->context, paths[i], &reports[i]);
        read[i] = reports[i];
    }
    if (status == THAW_OK)
        status = show(cli, read, count, html);
    for (size_t i = 0; i < count; i++)
        thaw_report_close(&reports[i]);
    return status;
}
