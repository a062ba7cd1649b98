-- Runs that no plan is of any more are found quickly when old ones are forgotten.
CREATE INDEX plans_by_run ON plans (run);
