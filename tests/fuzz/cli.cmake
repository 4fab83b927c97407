# SPDX-License-Identifier: Apache-2.0
ol_fuzz_target(artifact ol_cli)
ol_fuzz_target(redact ol_cli)
ol_fuzz_target(dvc ol_cli)
