/* For images whose functions the host calls one by one. */
int main(void);
int main(void) { return 0; }
