/* Replays the files of folders through a fuzz target: the corpus as an ordinary test. */
#include <uwc/base.h>

#include <dirent.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns how many files there were, -1 where the folder cannot be read. */
static int replay(const char *folder) {
    int files = 0;
    DIR *list = opendir(folder);
    if (list == NULL) {
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        char *path, *bytes;
        size_t size;
        if (entry->d_name[0] == '.' || uwc_path_join(folder, entry->d_name, &path) != UWC_OK) {
            continue;
        }
        if (uwc_file_read(path, &bytes, &size) == UWC_OK) {
            LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
            uwc_free(&bytes);
            files++;
        }
        uwc_free(&path);
    }
    closedir(list);
    return files;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int files = replay(argv[i]);
        printf("%s: %d files\n", argv[i], files);
        if (files <= 0) {
            return EXIT_FAILURE;
        }
    }
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
