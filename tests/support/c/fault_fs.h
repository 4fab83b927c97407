/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAULT_FS_H
#define FAULT_FS_H
/** @file
 * A struct ol__fs for tests: the real calls, with failures on demand (fault_fs.c) and a disk that
 * loses power (fault_disk.c). Link ol_test_support. State is global, one test at a time; calls may
 * come from several threads (one lock).
 *
 *     fault_fs_reset();
 *     fault_fs_fail(FAULT_FDATASYNC, 2, EIO);
 *     ... use &fault_fs where the code takes a const struct ol__fs * ...
 */
#include "files.h"

/** What a fault can be set on: one call of struct ol__fs, or a group. */
enum fault_call {
    FAULT_OPENAT,
    FAULT_CLOSE,
    FAULT_PREAD,
    FAULT_WRITE,
    FAULT_PWRITE,
    FAULT_FDATASYNC,
    FAULT_FSYNC,
    FAULT_FTRUNCATE,
    FAULT_FSTAT,
    FAULT_FSTATVFS,
    FAULT_RENAMEAT,
    FAULT_LINKAT,
    FAULT_UNLINKAT,
    FAULT_MKDIRAT,
    FAULT_FLOCK,
    FAULT_CALLS,      /**< how many kinds there are */
    FAULT_ANY,        /**< any of them */
    FAULT_ANY_WRITE,  /**< write, pwrite */
    FAULT_ANY_SYNC,   /**< fdatasync, fsync */
    FAULT_ANY_CHANGE, /**< all that change the disk: writes, syncs, ftruncate, creating openat,
                         names */
};

extern const struct ol__fs fault_fs;

/** No faults, counters at 0, disk as the real one, everything recorded forgotten. Call it first and
 * last. */
void fault_fs_reset(void);

/** The @p nth matching call from now (1: the next) fails with @p sys_errno and does nothing, but
 * for close, which closes. Replaces an earlier fault. */
void fault_fs_fail(enum fault_call which, unsigned long nth, int sys_errno);
/** As fault_fs_fail(), and so do all matching calls after it: a disk that stays full or broken. */
void fault_fs_fail_from(enum fault_call which, unsigned long nth, int sys_errno);
/** The @p nth write or pwrite from now takes only @p size bytes (at most) and says so; with @p
 * sys_errno not 0 the next write or pwrite then fails with it. */
void fault_fs_short_write(unsigned long nth, size_t size, int sys_errno);
/** End faults; counters stay. @return whether the fault happened. */
bool fault_fs_stop(void);
/** Matching calls since fault_fs_reset(). */
unsigned long fault_fs_calls(enum fault_call which);

/* The disk. While it records, every file opened for writing through fault_fs is followed: its bytes
 * at the last sync that counted, and the writes and truncations since. So are new, renamed, linked
 * and removed names, until their directory's fsync. */

/** Start recording: what is on the disk now counts as durable. */
void fault_disk_record(void);
/** From now on syncs return success and save nothing. */
void fault_disk_lie(bool is_lying);
/** Let the power fail: turn what was recorded into something a crash could leave, drawn from
 *  @p seed. Each 512-byte sector written since its file's last good sync is kept or lost on its own
 *  (lost sectors inside a grown file read as zeros); what was written before a sync that failed is
 * lost even if a later sync succeeded; names changed in a directory since its last fsync are kept
 * up to some point and taken back from there. Seed 0: everything not synced is lost; seed 1:
 * nothing is. Ends the recording. Close or forget the code's descriptors first, as a dead process
 * does.
 *  @return false if the test's own bookkeeping failed (a message is on stderr). */
bool fault_disk_power_cut(unsigned long seed);
/** Stop recording and forget, leaving the files as they are. */
void fault_disk_stop(void);

/* For fault_fs.c: tell the disk of calls that succeeded. Each is a no-op when nothing is recorded.
 */
bool fault_disk_before_name_lost(int dirfd, const char *name);
void fault_disk_opened(int fd, int dirfd, const char *name, int flags, bool is_new);
void fault_disk_before_write(int fd);
void fault_disk_wrote(int fd, const void *data, size_t size, off_t offset);
void fault_disk_truncated(int fd, off_t size);
void fault_disk_synced(int fd, bool failed);
void fault_disk_renamed(int olddir, const char *oldname, int newdir, const char *newname);
void fault_disk_linked(int dirfd, const char *name);
void fault_disk_unlinked(int dirfd, const char *name, bool is_directory);
void fault_disk_made_directory(int dirfd, const char *name);
#endif
