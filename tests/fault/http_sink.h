/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_SINK_H
#define HTTP_SINK_H
/** @file
 * An HTTP server that takes every event: a POST to /NAME adds its body as a line to the file
 * "served" in the directory NAME under @p root, before it is answered. A process of its own, so
 * that no fault of the tests reaches it; it ends with its parent.
 */

/** @return the port; never returns if there is none. */
int http_sink_start(const char *root);
#endif
