# SPDX-License-Identifier: Apache-2.0
ol_unit_test(dedup agent_intake)
