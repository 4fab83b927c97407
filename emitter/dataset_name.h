/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_DATASET_NAME_H
#define OL_DATASET_NAME_H
/** @file Limits of ol_dataset_name(), which dataset_name.c holds. */
#define OL_DATASET_NAMESPACE_MAX 2048 /**< bytes with the NUL */
#define OL_DATASET_NAME_MAX 8192
#define OL_DATASET_VERSION_MAX 160
#endif
