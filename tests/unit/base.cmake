# SPDX-License-Identifier: Apache-2.0
ol_unit_test(base ol_base)
ol_unit_test(buf ol_base ol_test_support)
