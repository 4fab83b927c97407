# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(summary agent_deliver PkgConfig::XXHASH)
