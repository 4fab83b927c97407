# SPDX-License-Identifier: Apache-2.0
ol_unit_test(lanes agent_deliver ol_test_support)
ol_unit_test(retry agent_deliver)
ol_unit_test(route_http agent_deliver ol_http_script)
