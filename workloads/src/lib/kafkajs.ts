/** kafkajs, mended: who makes a client takes it from here (lint says so); types alone may come from kafkajs itself. */
import "./kafkaRequests";

export * from "kafkajs";
