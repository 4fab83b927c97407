/* SPDX-License-Identifier: Apache-2.0 */
import io.openlineage.client.OpenLineage;
import io.openlineage.client.OpenLineage.RunEvent;
import io.openlineage.client.OpenLineage.RunEvent.EventType;
import io.openlineage.client.OpenLineageClient;
import io.openlineage.client.OpenLineageClientUtils;
import io.openlineage.client.transports.ApiKeyTokenProvider;
import io.openlineage.client.transports.HttpConfig;
import io.openlineage.client.transports.HttpTransport;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Send runs (START, RUNNING, COMPLETE) with openlineage-java and record what was sent: a JSON line per
 * event with runId, eventType, "body" (base64 of what the client's own serializer makes of the event,
 * which is what its transport calls), "ms" that emit took and, where the client threw, "error" (base64).
 *
 * <p>java Emit url=... record=... [runs=1] [compression=none|gzip] [apiKey=...] [namespace=tests]
 */
public final class Emit {
    private static final OpenLineage OL =
            new OpenLineage(URI.create("https://example.org/lineaged/tests/java"));

    private static RunEvent event(EventType kind, UUID run, int number, String namespace) {
        ZonedDateTime midnight = ZonedDateTime.of(2025, 1, 1, 0, 0, 0, 0, ZoneOffset.UTC);
        OpenLineage.DatasetFacets facets = OL.newDatasetFacetsBuilder()
                .schema(OL.newSchemaDatasetFacet(List.of(
                        OL.newSchemaDatasetFacetFieldsBuilder().name("id").type("BIGINT").build(),
                        OL.newSchemaDatasetFacetFieldsBuilder()
                                .name("gr\u00f6\u00dfe").type("DECIMAL(10,2)").build())))
                .build();
        OpenLineage.OutputDatasetBuilder output = OL.newOutputDatasetBuilder()
                .namespace("s3://bucket").name("out/" + number).facets(facets);
        if (kind == EventType.COMPLETE) {
            output.outputFacets(OL.newOutputDatasetOutputFacetsBuilder()
                    .outputStatistics(OL.newOutputStatisticsOutputDatasetFacet((long) number, 99L, 1L))
                    .build());
        }
        return OL.newRunEventBuilder()
                .eventType(kind).eventTime(ZonedDateTime.now(ZoneOffset.UTC))
                .run(OL.newRun(run, OL.newRunFacetsBuilder()
                        .nominalTime(OL.newNominalTimeRunFacet(midnight, midnight.plusDays(1))).build()))
                .job(OL.newJob(namespace, "java." + number, OL.newJobFacetsBuilder()
                        .sql(OL.newSQLJobFacet("SELECT \"\u00e4\" FROM a\n-- \t\\", "ansi")).build()))
                .inputs(List.of(OL.newInputDatasetBuilder()
                        .namespace("postgres://db:5432").name("shop.public.a").facets(facets).build()))
                .outputs(List.of(output.build()))
                .build();
    }

    private static String base64(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (String arg : args) {
            String[] pair = arg.split("=", 2);
            given.put(pair[0], pair[1]);
        }
        HttpConfig config = new HttpConfig();
        config.setUrl(URI.create(given.get("url")));
        if (given.getOrDefault("compression", "none").equals("gzip")) {
            config.setCompression(HttpConfig.Compression.GZIP);
        }
        if (given.containsKey("apiKey")) {
            ApiKeyTokenProvider auth = new ApiKeyTokenProvider();
            auth.setApiKey(given.get("apiKey"));
            config.setAuth(auth);
        }
        String namespace = given.getOrDefault("namespace", "tests");
        int runs = Integer.parseInt(given.getOrDefault("runs", "1"));
        int failures = 0;
        try (PrintWriter record = new PrintWriter(given.get("record"), "US-ASCII");
                OpenLineageClient client = new OpenLineageClient(new HttpTransport(config))) {
            for (int number = 0; number < runs; number++) {
                UUID run = UUID.randomUUID();
                for (EventType kind : List.of(EventType.START, EventType.RUNNING, EventType.COMPLETE)) {
                    RunEvent event = event(kind, run, number, namespace);
                    String error = "";
                    long begin = System.nanoTime();
                    try {
                        client.emit(event);
                    } catch (RuntimeException bad) {
                        error = ",\"error\":\"" + base64(bad.toString()) + "\"";
                        failures++;
                    }
                    double ms = (System.nanoTime() - begin) / 1e6;
                    record.printf("{\"runId\":\"%s\",\"eventType\":\"%s\",\"ms\":%.3f,\"body\":\"%s\"%s}%n", run,
                            kind, ms, base64(OpenLineageClientUtils.toJson(event)), error);
                    record.flush();
                }
            }
        }
        System.exit(failures == 0 ? 0 : 1);
    }
}
