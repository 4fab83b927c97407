// SPDX-License-Identifier: Apache-2.0
// The same library from C++17: structs are zeroed with {} and told their size, handles end themselves.
//
//     c++ -std=c++17 example.cpp $(pkg-config --cflags --libs openlineage) && ./a.out
//
#include <cstdio>
#include <memory>
#include <openlineage/openlineage.h>

struct close_client {
    void operator()(ol_client *client) const { ol_client_close(client, 0, nullptr); }
};
struct free_run {
    void operator()(ol_run *run) const { ol_run_free(run); }
};

int main()
{
    ol_error err{};
    ol_client_options options{};
    options.struct_size = sizeof options;
    options.producer = "https://example.org/cpp/1.0";
    ol_client *opened = nullptr;
    if (ol_client_open(&options, &opened, &err) != OL_OK)
        std::fprintf(stderr, "example: no lineage today: %s\n", err.message);
    // Without a client all that follows does nothing. Runs end before their client: it stands first.
    std::unique_ptr<ol_client, close_client> client(opened);

    ol_run_options what{};
    what.struct_size = sizeof what;
    what.job_name = "count";
    ol_run *made = nullptr;
    if (ol_run_new(client.get(), &what, &made, &err) != OL_OK)
        std::fprintf(stderr, "example: %s\n", err.message);
    std::unique_ptr<ol_run, free_run> run(made);

    ol_run_input(run.get(), "s3://landing/users.csv");
    ol_dataset *users = ol_run_output(run.get(), "postgres://db/shop.public.users");
    ol_run_emit(run.get(), OL_START, nullptr);
    ol_output_statistics written{};
    written.struct_size = sizeof written;
    written.row_count = OL_INT(3);
    ol_dataset_set_output_statistics(users, &written);
    // What a setter refused comes back here, as OL_PARTIAL with the reason.
    ol_status end = ol_run_emit(run.get(), OL_COMPLETE, &err);
    if (end < 0 || end == OL_PARTIAL)
        std::fprintf(stderr, "example: %s\n", err.message);
}
