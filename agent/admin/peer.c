/* SPDX-License-Identifier: Apache-2.0 */
#include "admin_impl.h"
#include "listen.h"

#include <sys/socket.h>

#define GROUPS_MAX 1024 /* somebody in more groups than this is judged by the own gid alone */

bool admin_peer_sees_all(uint32_t uid, const uint32_t *groups, size_t group_count, uint32_t own_uid,
                         int64_t group)
{
    if (uid == 0 || uid == own_uid)
        return true;
    for (size_t i = 0; i < group_count && group != ADMIN_NO_GROUP; i++)
        if (groups[i] == group)
            return true;
    return false;
}

bool admin_peer_may_change(uint32_t uid, uint32_t own_uid)
{
    return uid == 0 || uid == own_uid;
}

ol_status admin_peer_read(int fd, uint32_t own_uid, int64_t group, struct admin_peer *ret,
                          struct ol_error *err)
{
    struct ucred peer;
    uint32_t groups[GROUPS_MAX + 1];
    socklen_t size = sizeof peer;
    size_t count = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return ol__error_set(err, OL_DENIED, "cannot tell who asks");
    if (listen_known_uid(peer.uid) == LISTEN_UID_UNKNOWN)
        return ol__error_set(err, OL_DENIED, "the asking user is not known in this user namespace");
    groups[count++] = peer.gid;
#ifdef SO_PEERGROUPS
    size = GROUPS_MAX * sizeof *groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups + 1, &size) == 0)
        count += size / sizeof *groups;
#endif
    ret->uid = peer.uid;
    ret->may_change = admin_peer_may_change(peer.uid, own_uid);
    ret->may_see_all = admin_peer_sees_all(peer.uid, groups, count, own_uid, group);
    return OL_OK;
}
