/* A program of another project: rounds four weights to two bits. */
#include <stdio.h>
#include <uwc/uwc.h>

int main(void) {
    const float weight[4] = {-0.9f, -0.4f, 0.1f, 0.5f};
    uwc_weights *rounded = NULL;
    uwc_status status = uwc_weights_create(2, 1, 4, &rounded);
    if (status == UWC_OK) {
        status = uwc_recon_nearest(weight, 4, false, rounded);
    }
    if (status == UWC_OK) {
        printf("uwc %s: %d %d %d %d\n", UWC_VERSION, rounded->q[0], rounded->q[1], rounded->q[2], rounded->q[3]);
    } else {
        fprintf(stderr, "%s\n", uwc_error_last()->text);
    }
    uwc_weights_destroy(&rounded);
    return uwc_status_exit(status);
}
