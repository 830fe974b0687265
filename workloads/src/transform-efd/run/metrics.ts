import { Counter, Gauge, Histogram } from "prom-client";

/** Tasks by how they ended: completed, failed, lost (to another worker) or released (at a stop). */
export const tasksTotal = new Counter({
  name: "usdf_efd_tasks_total",
  help: "Tasks of this run by how they ended",
  labelNames: ["result"],
});

export const taskSeconds = new Histogram({
  name: "usdf_efd_task_duration_seconds",
  help: "Time of a task from its claim to its end",
  buckets: [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000],
});

export const recordsTotal = new Counter({
  name: "usdf_efd_records_total",
  help: "Rows stored for records",
  labelNames: ["kind"],
});

export const topicsTotal = new Counter({
  name: "usdf_efd_topics_total",
  help: "Questions for a topic by how they ended",
  labelNames: ["status"],
});

export const secondaryBehind = new Gauge({
  name: "usdf_efd_secondary_behind_tasks",
  help: "Tasks whose rows a secondary database does not have yet",
  labelNames: ["target"],
});

export const columnsLeftOut = new Gauge({
  name: "usdf_efd_columns_left_out",
  help: "Columns of the configuration that cannot be computed",
});
