# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(journal agent_intake agent_spool)
ol_fuzz_target(http_gunzip agent_intake PkgConfig::ZLIB)
