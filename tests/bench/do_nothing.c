/* SPDX-License-Identifier: Apache-2.0 */
/* What starting any process costs: the reference of bench_process. */
int main(void)
{
    return 0;
}
