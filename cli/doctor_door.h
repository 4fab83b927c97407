/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DOCTOR_DOOR_H
#define DOCTOR_DOOR_H
/** @file A door on this machine that programs post to: does it take what they would send? */
#include "doctor.h"

/** Post an empty document to @p where and look at the answer: 400 means that the door works. Waits
 * at most a few seconds. */
void doctor_door(struct doctor *d, const struct ol__where *where);
#endif
