# SPDX-License-Identifier: Apache-2.0
ol_unit_test(places ol_base)
ol_unit_test(base ol_base)
ol_unit_test(buf ol_base ol_test_support)
ol_unit_test(json_write ol_base ol_test_support)
ol_unit_test(times ol_base)
ol_unit_test(ids ol_base Threads::Threads)
ol_unit_test(files ol_base ol_test_support)
ol_unit_test(json_read ol_base ol_test_support)
