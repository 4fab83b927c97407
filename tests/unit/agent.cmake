# SPDX-License-Identifier: Apache-2.0
ol_unit_test(dedup agent_intake)
ol_unit_test(config agent_common)
