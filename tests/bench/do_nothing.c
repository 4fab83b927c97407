/* SPDX-License-Identifier: Apache-2.0 */
/* What starting any process costs: the reference of bench_process. With an argument: print its
 * highest resident set. */
#include "peak.h"

int main(int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? print_peak() : 0;
}
