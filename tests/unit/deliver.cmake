# SPDX-License-Identifier: Apache-2.0
ol_unit_test(lanes agent_deliver ol_test_support)
ol_unit_test(retry agent_deliver)
ol_unit_test(profile agent_deliver)
ol_unit_test(cause agent_deliver)
ol_unit_test(route_http agent_deliver ol_http_script)
ol_unit_test(route_file agent_deliver)
ol_unit_test(route_kafka agent_deliver PkgConfig::RDKAFKA)
