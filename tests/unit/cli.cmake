# SPDX-License-Identifier: Apache-2.0
ol_unit_test(run_files ol_cli)
ol_unit_test(cli_client ol_cli)
ol_unit_test(spool_line ol_cli)
ol_unit_test(tree ol_cli ol_test_support)
ol_unit_test(receipt ol_cli)
ol_unit_test(redact ol_cli)
ol_unit_test(object ol_cli)
