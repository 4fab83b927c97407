# SPDX-License-Identifier: Apache-2.0
ol_unit_test(facet_table ol_spec)
ol_unit_test(event_read ol_spec ol_test_support)
ol_unit_test(facet_place ol_facets)
ol_unit_test(facets ol_facets ol_test_support)
