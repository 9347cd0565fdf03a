#include "cli_impl.h"

int main(int argc, char **argv) {
    return uwc_cli_main(argc, argv);
}
