# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(json_read ol_base)
