/* SPDX-License-Identifier: Apache-2.0 */
import io.openlineage.client.OpenLineage;
import io.openlineage.client.OpenLineage.RunEvent;
import io.openlineage.client.OpenLineage.RunEvent.EventType;
import io.openlineage.client.OpenLineageClient;
import io.openlineage.client.OpenLineageClientUtils;
import io.openlineage.client.transports.HttpConfig;
import io.openlineage.client.transports.HttpTransport;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/**
 * Emits the events of event.c over HTTP, on request: for each line "small|mid|large COUNT" on standard input it
 * emits so many and answers "P50 P99 BUILD-P50 BYTES": nanoseconds of emit() alone, of building the event
 * before it, and the bytes of one.
 *
 * <p>java BenchEmit URL [small]; with a size it emits one such event and ends.
 */
public final class BenchEmit {
    private static final String SOURCE = "postgres://db.example.org:5432";
    private static final String TARGET = "s3://lake";
    private static final String[] TYPES = {"BIGINT", "VARCHAR(255)", "DECIMAL(18,2)", "TIMESTAMP"};
    private static final String SQL = sql();
    private static final UUID PARENT = UUID.fromString("01890a5d-ac96-774b-bcce-b302099a8057");
    private static final UUID ROOT = UUID.fromString("01890a5d-ac96-774b-bcce-b302099a8058");
    private static final OpenLineage OL =
            new OpenLineage(URI.create("https://example.org/lineaged/tests/bench"));

    private static String sql() {
        String piece = "SELECT \"order\".id, sum(price)\n  FROM orders WHERE day = '1' ";
        StringBuilder text = new StringBuilder();
        while (text.length() < 1024) {
            text.append(piece);
        }
        return text.substring(0, 1024);
    }

    private static OpenLineage.SchemaDatasetFacet schema(String prefix, int columns) {
        List<OpenLineage.SchemaDatasetFacetFields> fields = new ArrayList<>(columns);
        for (int i = 0; i < columns; i++) {
            String number = (i < 10 ? "0" : "") + i;
            fields.add(OL.newSchemaDatasetFacetFieldsBuilder().name(prefix + number)
                    .type(TYPES[i % 4]).description("What column " + number + " holds").build());
        }
        return OL.newSchemaDatasetFacet(fields);
    }

    private static OpenLineage.ColumnLineageDatasetFacet lineage(int columns) {
        OpenLineage.ColumnLineageDatasetFacetFieldsBuilder fields =
                OL.newColumnLineageDatasetFacetFieldsBuilder();
        for (int i = 0; i < columns; i++) {
            String number = (i < 10 ? "0" : "") + i;
            fields.put("made_" + number, OL.newColumnLineageDatasetFacetFieldsAdditionalBuilder()
                    .inputFields(List.of(OL.newInputFieldBuilder().namespace(SOURCE)
                            .name(i % 2 != 0 ? "shop.public.orders" : "shop.public.customers")
                            .field("column_" + number).build()))
                    .build());
        }
        return OL.newColumnLineageDatasetFacetBuilder().fields(fields.build()).build();
    }

    private static OpenLineage.InputDataset input(String name, int columns) {
        OpenLineage.InputDatasetBuilder input =
                OL.newInputDatasetBuilder().namespace(SOURCE).name(name);
        if (columns > 0) {
            input.facets(OL.newDatasetFacetsBuilder().schema(schema("column_", columns)).build());
        }
        return input.build();
    }

    private static RunEvent event(int columns) {
        OpenLineage.RunFacetsBuilder run = OL.newRunFacetsBuilder()
                .processing_engine(OL.newProcessingEngineRunFacet("0.1.0", "libopenlineage", "0.1.0"));
        OpenLineage.JobFacetsBuilder job = OL.newJobFacetsBuilder();
        List<OpenLineage.InputDataset> inputs = new ArrayList<>(2);
        OpenLineage.OutputDatasetBuilder output =
                OL.newOutputDatasetBuilder().namespace(TARGET).name("gold/order_totals");
        inputs.add(input("shop.public.orders", columns));
        if (columns > 0) {
            ZonedDateTime day = ZonedDateTime.of(2026, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC);
            run.nominalTime(OL.newNominalTimeRunFacet(day, day.plusDays(1)))
                    .parent(OL.newParentRunFacetBuilder()
                            .run(OL.newParentRunFacetRunBuilder().runId(PARENT).build())
                            .job(OL.newParentRunFacetJobBuilder().namespace("bench").name("daily").build())
                            .root(OL.newParentRunFacetRootBuilder()
                                    .run(OL.newRootRunBuilder().runId(ROOT).build())
                                    .job(OL.newRootJobBuilder().namespace("bench").name("all").build())
                                    .build())
                            .build());
            job.jobType(OL.newJobTypeJobFacetBuilder().processingType("BATCH").integration("BENCH")
                            .jobType("QUERY").build())
                    .sql(OL.newSQLJobFacet(SQL, "postgres"));
            inputs.add(input("shop.public.customers", columns));
            output.facets(OL.newDatasetFacetsBuilder().schema(schema("made_", columns))
                    .columnLineage(lineage(columns)).build());
        }
        return OL.newRunEventBuilder().eventType(EventType.START)
                .eventTime(ZonedDateTime.now(ZoneOffset.UTC))
                .run(OL.newRun(UUID.randomUUID(), run.build()))
                .job(OL.newJob("bench", "order_totals", job.build()))
                .inputs(inputs).outputs(List.of(output.build())).build();
    }

    private static int columns(String size) {
        return size.equals("large") ? 100 : size.equals("mid") ? 20 : 0;
    }

    private static void burst(OpenLineageClient client, int columns, int count) {
        long[] emits = new long[count];
        long[] builds = new long[count];
        for (int i = 0; i < count; i++) {
            long start = System.nanoTime();
            RunEvent event = event(columns);
            long built = System.nanoTime();
            client.emit(event);
            emits[i] = System.nanoTime() - built;
            builds[i] = built - start;
        }
        Arrays.sort(emits);
        Arrays.sort(builds);
        int bytes = OpenLineageClientUtils.toJson(event(columns)).getBytes(StandardCharsets.UTF_8).length;
        System.out.println(emits[count / 2] + " " + emits[(int) (count * 0.99)] + " "
                + builds[count / 2] + " " + bytes);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        HttpConfig config = new HttpConfig();
        config.setUrl(URI.create(args[0]));
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        try (OpenLineageClient client = new OpenLineageClient(new HttpTransport(config))) {
            if (args.length > 1) {
                client.emit(event(columns(args[1])));
                return;
            }
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] words = line.split(" ");
                burst(client, columns(words[0]), Integer.parseInt(words[1]));
            }
        }
    }
}
