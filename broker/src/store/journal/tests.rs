mod power_cut;
mod reuse;
mod speed;
