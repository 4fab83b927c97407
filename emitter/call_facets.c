/* SPDX-License-Identifier: Apache-2.0 */
#include "call_impl.h"

ol_status ol__call_set_facets(struct ol_call *call OL_UNUSED,
                              const struct ol_call_result *r OL_UNUSED)
{
    return OL_OK;
}
