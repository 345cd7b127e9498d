#include "CTestSupport.h"
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The parts of indexstore/indexstore.h that are used here; the header is not where every toolchain's compiler looks for it.
typedef struct { const char *data; size_t length; } text;
typedef void *opaque;

enum { role_definition = 1 << 1, role_reference = 1 << 2, role_implicit = 1 << 8 };
enum { relation_child = 1 << 9, relation_base = 1 << 10, relation_override = 1 << 11, relation_contained = 1 << 16 };
enum { dependency_record = 2 };

static opaque (*store_create)(const char *, opaque *);
static bool (*units_apply)(opaque, unsigned, void *, bool (*)(void *, text));
static bool (*unit_time)(opaque, const char *, int64_t *, int64_t *, opaque *);
static opaque (*unit_create)(opaque, const char *, opaque *);
static void (*unit_dispose)(opaque);
static text (*unit_main_file)(opaque);
static bool (*dependencies_apply)(opaque, void *, bool (*)(void *, opaque));
static int (*dependency_kind)(opaque);
static text (*dependency_name)(opaque), (*dependency_path)(opaque);
static opaque (*record_create)(opaque, const char *, opaque *);
static void (*record_dispose)(opaque);
static bool (*occurrences_apply)(opaque, void *, bool (*)(void *, opaque));
static opaque (*occurrence_symbol)(opaque);
static uint64_t (*occurrence_roles)(opaque);
static void (*occurrence_place)(opaque, unsigned *, unsigned *);
static bool (*relations_apply)(opaque, void *, bool (*)(void *, opaque));
static uint64_t (*relation_roles)(opaque);
static opaque (*relation_symbol)(opaque);
static text (*symbol_usr)(opaque), (*symbol_name)(opaque);
static int (*symbol_kind)(opaque);

struct run { opaque store; const char *prefix; FILE *output; };
struct file { struct run *run; const char *path; };
struct relations { char parent[1024], base[1024], container[1024], overridden[1024]; };

static void copy(char *to, size_t size, text from) {
    size_t length = from.length < size - 1 ? from.length : size - 1;
    memcpy(to, from.data, length);
    to[length] = 0;
}

static bool relation(void *context, opaque relation) {
    struct relations *found = context;
    uint64_t roles = relation_roles(relation);
    text usr = symbol_usr(relation_symbol(relation));
    if (roles & relation_child) copy(found->parent, sizeof found->parent, usr);
    if (roles & relation_base) copy(found->base, sizeof found->base, usr);
    if (roles & relation_contained) copy(found->container, sizeof found->container, usr);
    if (roles & relation_override) copy(found->overridden, sizeof found->overridden, usr);
    return true;
}

static bool occurrence(void *context, opaque occurrence) {
    FILE *output = context;
    uint64_t roles = occurrence_roles(occurrence);
    struct relations found = {.parent = ""};
    relations_apply(occurrence, &found, relation);
    opaque symbol = occurrence_symbol(occurrence);
    char usr[1024], name[1024];
    copy(usr, sizeof usr, symbol_usr(symbol));
    if (found.overridden[0]) fprintf(output, "W\t%s\t%s\n", usr, found.overridden);
    if ((roles & role_definition) && !(roles & role_implicit)) {
        unsigned line = 0, column = 0;
        occurrence_place(occurrence, &line, &column);
        copy(name, sizeof name, symbol_name(symbol));
        fprintf(output, "D\t%s\t%s\t%d\t%u\t%s\n", usr, name, symbol_kind(symbol), line, found.parent);
    } else if (roles & role_reference) {
        fprintf(output, "R\t%s\t%s\t%s\n", usr, found.container, found.base);
    }
    return true;
}

static bool dependency(void *context, opaque dependency) {
    struct file *file = context;
    char name[1024], path[4096];
    copy(name, sizeof name, dependency_name(dependency));
    copy(path, sizeof path, dependency_path(dependency));
    if (dependency_kind(dependency) != dependency_record || strcmp(path, file->path)) return true;
    opaque record = record_create(file->run->store, name, NULL);
    if (!record) return true;
    occurrences_apply(record, file->run->output, occurrence);
    record_dispose(record);
    return true;
}

static bool unit(void *context, text unit_name) {
    struct run *run = context;
    char name[1024], path[4096];
    copy(name, sizeof name, unit_name);
    opaque reader = unit_create(run->store, name, NULL);
    if (!reader) return true;
    copy(path, sizeof path, unit_main_file(reader));
    int64_t seconds = 0, nanoseconds = 0;
    // A unit outlives its source.
    if (!strncmp(path, run->prefix, strlen(run->prefix)) && !access(path, F_OK) && !unit_time(run->store, name, &seconds, &nanoseconds, NULL)) {
        struct file file = {.run = run, .path = path};
        fprintf(run->output, "U\t%s\t%lld.%09lld\n", path, (long long)seconds, (long long)nanoseconds);
        dependencies_apply(reader, &file, dependency);
    }
    unit_dispose(reader);
    return true;
}

int write_index(const char *library, const char *store, const char *prefix, const char *output) {
    void *handle = dlopen(library, RTLD_NOW);
    if (!handle) return -1;
#define find(function, name) if (!(function = (__typeof__(function))dlsym(handle, "indexstore_" name))) return -1
    find(store_create, "store_create");
    find(units_apply, "store_units_apply_f");
    find(unit_time, "store_get_unit_modification_time");
    find(unit_create, "unit_reader_create");
    find(unit_dispose, "unit_reader_dispose");
    find(unit_main_file, "unit_reader_get_main_file");
    find(dependencies_apply, "unit_reader_dependencies_apply_f");
    find(dependency_kind, "unit_dependency_get_kind");
    find(dependency_name, "unit_dependency_get_name");
    find(dependency_path, "unit_dependency_get_filepath");
    find(record_create, "record_reader_create");
    find(record_dispose, "record_reader_dispose");
    find(occurrences_apply, "record_reader_occurrences_apply_f");
    find(occurrence_symbol, "occurrence_get_symbol");
    find(occurrence_roles, "occurrence_get_roles");
    find(occurrence_place, "occurrence_get_line_col");
    find(relations_apply, "occurrence_relations_apply_f");
    find(relation_roles, "symbol_relation_get_roles");
    find(relation_symbol, "symbol_relation_get_symbol");
    find(symbol_usr, "symbol_get_usr");
    find(symbol_name, "symbol_get_name");
    find(symbol_kind, "symbol_get_kind");
    struct run run = {.store = store_create(store, NULL), .prefix = prefix, .output = fopen(output, "w")};
    if (!run.store || !run.output) return -1;
    units_apply(run.store, 1, &run, unit);
    return fclose(run.output);
}
